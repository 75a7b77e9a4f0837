// Decompression of anything stays within its limit; what we compress comes back, whole and in fragments, message after
// message.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "marketprism/wire/permessage_deflate.hpp"

namespace {

using namespace marketprism::wire;

void require(bool is_true) {
  if (!is_true) std::abort();
}

void decompress_anything(const DeflateParameters& parameters, std::string_view input) {
  constexpr std::size_t limit = 10'000;
  DeflateDecompressor decompressor(parameters, WebSocketRole::client);
  std::string out;
  while (!input.empty()) {
    const auto head = static_cast<unsigned char>(input[0]);
    const std::string_view piece = input.substr(1, head & 0x7F);
    input.remove_prefix(1 + piece.size());
    const bool is_final = (head & 0x80) != 0;
    const auto done = decompressor.decompress(piece, is_final, out, limit);
    require(out.size() <= limit + 1);
    if (!done) return;
    require(out.size() <= limit);
    if (is_final) out.clear();
  }
}

void there_and_back(const DeflateParameters& parameters, std::string_view input) {
  DeflateCompressor compressor(parameters, WebSocketRole::server);
  DeflateDecompressor decompressor(parameters, WebSocketRole::client);
  while (!input.empty()) {
    const auto head = static_cast<unsigned char>(input[0]);
    const std::string_view piece = input.substr(1, head & 0x3F);
    input.remove_prefix(1 + piece.size());
    std::string message;
    for (int i = 0; i <= (head >> 6) * 100; ++i) message += piece;
    std::string packed, out;
    require(compressor.compress(message, packed).has_value());
    const std::size_t cut = packed.size() * (head & 7) / 8;
    const std::string_view view = packed;
    require(decompressor.decompress(view.substr(0, cut), false, out, message.size()).has_value());
    require(decompressor.decompress(view.substr(cut), true, out, message.size()).has_value());
    require(out == message);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto flags = static_cast<unsigned char>(input[0]);
  const DeflateParameters parameters{.server_no_context_takeover = (flags & 1) != 0,
                                     .server_max_window_bits = 8 + ((flags >> 1) & 7)};
  if ((flags & 16) != 0) {
    decompress_anything(parameters, input.substr(1));
  } else {
    there_and_back(parameters, input.substr(1));
  }
  const std::string_view header = input.substr(1);
  const DeflateOptions options{.wanted = parameters};
  if (const auto answer = answer_deflate_offer(options, header)) {
    // Our own answer must be one that our own client takes, if it offered all of it.
    const DeflateOptions open;
    require(read_deflate_response(open, answer->extension).has_value());
  }
  (void)read_deflate_response(options, header);
  return 0;
}
