// Reading a head in any pieces gives the same; a head that is read can be written and is read back; the handshake takes
// anything.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "marketprism/wire/http_message.hpp"
#include "marketprism/wire/websocket_handshake.hpp"

namespace {

using namespace marketprism::wire;

constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";

void require(bool is_true) {
  if (!is_true) std::abort();
}

/// The head, or nothing if it is refused or not complete.
std::string read_head(std::string_view bytes, std::size_t piece_bytes) {
  HttpHeadReader reader(300);
  while (!bytes.empty()) {
    const auto room = reader.prepare();
    require(!room.empty());
    const std::size_t count = std::min({bytes.size(), room.size(), piece_bytes});
    std::memcpy(room.data(), bytes.data(), count);
    bytes.remove_prefix(count);
    const auto done = reader.commit(count);
    if (!done) return {};
    if (*done) return std::string(reader.head());
  }
  return {};
}

template <class Head>
void write_and_read_again(const Head& head, marketprism::Result<Head> (*parse)(std::string_view)) {
  std::string text;
  require(append_head(text, head).has_value());
  const auto again = parse(text);
  require(again.has_value() && again->headers.size() == head.headers.size());
  auto expected = head.headers.begin();
  for (const HttpHeader& header : again->headers) {
    require(header.name == expected->name && header.value == expected->value);
    ++expected;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string head = read_head(input, 1000);
  require(read_head(input, data[0] % 50U + 1) == head);
  require(head.size() <= 300);
  if (const auto request = parse_request_head(input)) {
    write_and_read_again(*request, parse_request_head);
    const WebSocketPolicy policy{.subprotocols = {"a"}, .deflate = DeflateOptions{}, .headers = {}};
    const auto answer = answer_websocket_request(*request, policy);
    const std::size_t end = answer.response.find("\r\n\r\n");
    require(end != std::string::npos && parse_response_head(answer.response.substr(0, end + 4)).has_value());
  }
  if (const auto response = parse_response_head(input)) {
    write_and_read_again(*response, parse_response_head);
    const WebSocketOffer offer{.host = "a", .subprotocols = {"a"}, .deflate = DeflateOptions{}, .headers = {}};
    (void)check_websocket_response(offer, key, *response);
  }
  return 0;
}
