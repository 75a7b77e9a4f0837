// Messages read whole and read in pieces are the same, and no input makes the parser keep more than its limits.
#include "marketprism/net/http_parser.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace marketprism;

constexpr std::size_t body_bytes_max = 2000;

void require(bool is_true) {
  if (!is_true) std::abort();
}

/// Everything the parser made of the bytes: start lines, headers, bodies, and how it ended.
std::string read_all(std::string_view bytes, std::size_t piece_bytes, bool is_response) {
  net::HttpParserOptions options;
  options.is_response = is_response;
  options.head_bytes_max = 1000;
  options.body_bytes_max = body_bytes_max;
  options.fields_max = 20;
  net::HttpParser parser(options);
  std::string out;
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, piece_bytes);
    bytes.remove_prefix(piece.size());
    parser.append(piece);
    for (;;) {
      const auto parsed = parser.parse();
      require(parser.body().size() <= body_bytes_max);
      if (!parsed) return out + "error " + std::string(name_of(parsed.error().code));
      if (!*parsed) break;
      const net::HttpHead& head = parser.head();
      out += std::string(head.method()) + ' ' + std::string(head.target()) + ' ' + std::to_string(head.status()) + '\n';
      for (std::size_t i = 0; i < head.size(); ++i) {
        out += std::string(head.at(i).name) + ": " + std::string(head.at(i).value) + '\n';
      }
      out += parser.body() + '\n';
      parser.next_message();
    }
  }
  const bool ended = parser.end().has_value();
  return out + (ended ? "ended " + parser.body() : "cut");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (const bool is_response : {false, true}) {
    const std::string whole = read_all(input, std::max<std::size_t>(input.size(), 1), is_response);
    const std::string pieces = read_all(input, data[0] % 40U + 1, is_response);
    // Of a message over a limit it depends on the pieces which limit is seen first, but not that one is.
    require(whole == pieces || (whole.find("error") != std::string::npos && pieces.find("error") != std::string::npos));
  }
  return 0;
}
