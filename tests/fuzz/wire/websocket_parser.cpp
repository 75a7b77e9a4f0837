// Whatever the bytes and wherever they are cut, the parser gives the same messages and the same error, within its
// limits.
#include "marketprism/wire/websocket_parser.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace marketprism;
using namespace marketprism::wire;

struct Outcome {
  std::vector<std::string> messages;
  std::string error;

  bool operator==(const Outcome&) const = default;
};

void require(bool is_true) {
  if (!is_true) std::abort();
}

/// `cuts` gives the sizes of the reads; without any, all bytes come at once.
Outcome parse(const WebSocketParserOptions& options, std::string_view bytes, std::string_view cuts) {
  WebSocketParser parser(options);
  Outcome outcome;
  std::size_t turn = 0;
  while (!bytes.empty()) {
    const std::size_t wanted =
        cuts.empty() ? bytes.size() : static_cast<unsigned char>(cuts[turn++ % cuts.size()]) % 64 + 1;
    const auto room = parser.prepare(cuts.empty() ? wanted : 1);
    const std::size_t count = std::min({wanted, room.size(), bytes.size()});
    std::memcpy(room.data(), bytes.data(), count);
    parser.commit(count);
    bytes.remove_prefix(count);
    for (;;) {
      const auto next = parser.next();
      if (!next) {
        outcome.error = next.error().message + std::to_string(static_cast<int>(parser.close_code()));
        require(!parser.next());
        return outcome;
      }
      if (!*next) break;
      const WebSocketMessage& message = **next;
      require(message.data.size() <= options.message_bytes_max || !message.is_data());
      require(message.kind != WebSocketMessageKind::text || is_utf8(message.data));
      outcome.messages.push_back(std::to_string(static_cast<int>(message.kind)) + '/' +
                                 std::to_string(static_cast<int>(message.close_code)) + '/' +
                                 std::string(message.data));
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // One byte of options, one of the number of cuts, the cuts, the stream.
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto flags = static_cast<unsigned char>(input[0]);
  const std::size_t cut_count = std::min<std::size_t>(static_cast<unsigned char>(input[1]) % 16, size - 2);
  WebSocketParserOptions options{.role = (flags & 1) != 0 ? WebSocketRole::server : WebSocketRole::client,
                                 .message_bytes_max = (flags & 2) != 0 ? 100U : 100'000U,
                                 .frame_bytes_max = (flags & 4) != 0 ? 50U : 100'000U,
                                 .read_bytes_start = 64,
                                 .read_bytes_max = 256};
  if ((flags & 8) != 0) {
    const bool forgets = (flags & 16) != 0;
    const int bits = 8 + (flags >> 5);
    options.deflate = DeflateParameters{forgets, forgets, bits, bits};
  }
  const std::string_view cuts = input.substr(2, cut_count);
  const std::string_view bytes = input.substr(2 + cut_count);
  const Outcome whole = parse(options, bytes, {});
  require(parse(options, bytes, cuts.empty() ? std::string_view("\0", 1) : cuts) == whole);
  return 0;
}
