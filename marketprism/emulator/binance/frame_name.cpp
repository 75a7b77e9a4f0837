#include "marketprism/emulator/binance/frame_name.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "marketprism/base/json_reader.hpp"

namespace marketprism::emulator::binance {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> streams_of_events{{
    {"depthUpdate", "@depth"},
    {"trade", "@trade"},
    {"aggTrade", "@aggTrade"},
    {"bookTicker", "@bookTicker"},
    {"markPriceUpdate", "@markPrice"},
    {"forceOrder", "@forceOrder"},
    {"indexPriceUpdate", "@indexPrice"},
}};

struct Fields {
  std::string_view event;
  std::string_view symbol;
  std::string_view pair;      // "i" of index prices
  std::string_view interval;  // of candles
  bool has_amounts = false;   // "B" and "A" without "e": spot's bookTicker
};

void read_inner(JsonReader& json, Fields& fields) {
  if (!json.enter_object()) return;
  for (std::string_view key; json.next_key(key);) {
    if (key == "s") {
      fields.symbol = json.text();
    } else if (key == "i") {
      fields.interval = json.text();
    } else {
      json.skip();
    }
  }
}

}  // namespace

std::string stream_of(std::string_view frame) {
  Fields fields;
  JsonReader json(frame);
  if (json.peek() != JsonReader::Kind::object) return {};
  json.enter_object();
  for (std::string_view key; json.next_key(key);) {
    const bool is_scalar = json.peek() != JsonReader::Kind::object && json.peek() != JsonReader::Kind::array;
    if (key == "stream") return unescape(json.text());
    if (key == "e" && is_scalar) {
      fields.event = json.text();
    } else if (key == "s" && is_scalar) {
      fields.symbol = json.text();
    } else if (key == "i" && is_scalar) {
      fields.pair = json.text();
    } else if ((key == "k" || key == "o") && !is_scalar) {
      read_inner(json, fields);
    } else {
      fields.has_amounts = fields.has_amounts || key == "B";
      json.skip();
    }
  }
  if (!json.finish()) return {};
  const std::string_view subject = fields.event == "indexPriceUpdate" ? fields.pair : fields.symbol;
  if (subject.empty()) return {};
  std::string name(subject);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (fields.event.empty()) return fields.has_amounts ? name + "@bookTicker" : std::string();
  if (fields.event == "kline") return name.append("@kline_").append(fields.interval);
  for (const auto& [event, suffix] : streams_of_events) {
    if (event == fields.event) return name.append(suffix);
  }
  return {};
}

std::string family_of(std::string_view stream) {
  const std::size_t first = stream.find('@');
  const std::size_t second = first == std::string_view::npos ? first : stream.find('@', first + 1);
  return std::string(stream.substr(0, second));
}

}  // namespace marketprism::emulator::binance
