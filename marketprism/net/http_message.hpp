#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/net/http_body_source.hpp"
#include "marketprism/wire/http_message.hpp"

namespace marketprism::net {

/// The start line and headers of one received message, kept as one text with an index: reused, it does not allocate.
/// Views into it live until the message is parsed anew.
class HttpHead {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  /// Replaces the contents. Strict: `malformed` for anything smuggling can be made of (blank before the colon, folded
  /// lines, bare CR or LF, control characters), `too_large` for more than `fields_max`.
  Result<> parse_request(std::string_view text, std::size_t fields_max);
  Result<> parse_response(std::string_view text, std::size_t fields_max);

  [[nodiscard]] std::string_view method() const { return view(method_); }
  /// In origin-form: path and query, also when the request named scheme and host with them.
  [[nodiscard]] std::string_view target() const { return view(target_); }
  /// The target up to '?' and what follows it.
  [[nodiscard]] std::string_view path() const;
  [[nodiscard]] std::string_view query() const;
  /// The percent-decoded value of `name` in the query; nothing if it is not there or not decodable.
  [[nodiscard]] std::optional<std::string> query_value(std::string_view name) const;
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::string_view reason() const { return view(target_); }
  [[nodiscard]] int minor_version() const { return minor_version_; }

  [[nodiscard]] std::size_t size() const { return fields_.size(); }
  [[nodiscard]] Field at(std::size_t index) const { return {view(fields_[index].name), view(fields_[index].value)}; }
  /// How many there are of that name, without regard to case.
  [[nodiscard]] std::size_t count(std::string_view name) const;
  /// The first of that name.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  [[nodiscard]] bool contains_token(std::string_view name, std::string_view token) const;
  [[nodiscard]] bool keeps_alive() const;

  [[nodiscard]] wire::HttpRequestHead to_request_head() const;
  [[nodiscard]] wire::HttpResponseHead to_response_head() const;

 private:
  struct Piece {
    std::uint32_t at = 0;
    std::uint32_t size = 0;
  };
  struct FieldAt {
    Piece name;
    Piece value;
  };

  [[nodiscard]] std::string_view view(Piece piece) const {
    return std::string_view(text_).substr(piece.at, piece.size);
  }
  [[nodiscard]] Piece piece(std::string_view part) const;
  Result<> parse_fields(std::string_view rest, std::size_t fields_max);
  Result<> parse_version(std::string_view text);
  /// False: no field's name has that length. Most names asked for are not there, and need no comparing.
  [[nodiscard]] bool may_have(std::string_view name) const { return (name_sizes_ >> (name.size() & 63U) & 1U) != 0; }
  [[nodiscard]] bool is_named(const FieldAt& field, std::string_view name) const;

  std::string text_;
  Piece method_;
  Piece target_;  // of a request; the reason of a response
  int status_ = 0;
  int minor_version_ = 1;
  std::vector<FieldAt> fields_;
  std::uint64_t name_sizes_ = 0;  // a bit for each length of a name, modulo 64
};

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";
  wire::HttpHeaders headers;
  std::string body;
  HttpBodySourcePtr body_source;  ///< instead of `body`: asked for the body while it is sent
};

/// The bytes of a request, ready to be sent any number of times. Adds Content-Length (if there is a body or the method
/// expects one; the body's, whatever the headers say), and Host, Accept-Encoding: gzip and User-Agent unless they are
/// there. Of a request with a source of its body it is the head, with the source's length or `Transfer-Encoding:
/// chunked`. `invalid_argument` for parts that cannot be sent.
Result<std::string> make_http_request(std::string_view host_header, const HttpRequest& request);

/// A received response. Valid until the next request on its connection; `body` may be moved out.
struct HttpResponse {
  HttpHead head;
  std::string body;  ///< complete and decompressed

  [[nodiscard]] int status() const { return head.status(); }
  [[nodiscard]] bool is_success() const { return status() >= 200 && status() < 300; }
};

}  // namespace marketprism::net
