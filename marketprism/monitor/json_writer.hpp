#pragma once
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace marketprism::monitor {

/// Appends JSON to a text, in order, without a tree: the caller opens and closes objects and arrays, commas come by
/// themselves. Of floating-point numbers nine digits are
/// kept; those JSON cannot write (NaN, infinity) become null. One thread; the text outlives the writer.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object(std::string_view key = {}) { return open(key, '{'); }
  JsonWriter& begin_array(std::string_view key = {}) { return open(key, '['); }
  JsonWriter& end_object() { return put('}'); }
  JsonWriter& end_array() { return put(']'); }

  template <class Value>
  JsonWriter& field(std::string_view key, const Value& value_of_key) {
    name(key);
    return put_value(value_of_key);
  }
  /// An element of an array.
  template <class Value>
  JsonWriter& value(const Value& element) {
    separate();
    return put_value(element);
  }
  JsonWriter& null(std::string_view key) {
    name(key);
    out_ += "null";
    return *this;
  }
  /// A value that is JSON already.
  JsonWriter& raw(std::string_view key, std::string_view json) {
    name(key);
    out_ += json;
    return *this;
  }

 private:
  JsonWriter& open(std::string_view key, char bracket) {
    if (key.empty()) {
      separate();
    } else {
      name(key);
    }
    return put(bracket);
  }
  JsonWriter& put(char c) {
    out_ += c;
    return *this;
  }
  void separate() {
    if (out_.empty()) return;
    const char last = out_.back();
    if (last != '{' && last != '[' && last != ':' && last != '\n') out_ += ',';
  }
  void name(std::string_view key) {
    separate();
    put_text(key);
    out_ += ':';
  }

  JsonWriter& put_value(bool flag) {
    out_ += flag ? "true" : "false";
    return *this;
  }
  template <std::integral Integer>
  JsonWriter& put_value(Integer number) {
    return put_number(number);
  }
  JsonWriter& put_value(double number) {
    if (std::isfinite(number)) return put_number(number, std::chars_format::general, 9);  // measured: more is noise
    out_ += "null";
    return *this;
  }
  JsonWriter& put_value(std::string_view text) {
    put_text(text);
    return *this;
  }
  JsonWriter& put_value(const std::string& text) { return put_value(std::string_view(text)); }
  JsonWriter& put_value(const char* text) { return put_value(std::string_view(text)); }

  JsonWriter& put_number(auto number, auto... format) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, number, format...);
    out_.append(digits, end.ptr);
    return *this;
  }
  void put_text(std::string_view text);

  std::string& out_;
};

}  // namespace marketprism::monitor
