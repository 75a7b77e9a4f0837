#include "marketprism/tape/importer.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/tape/gzip.hpp"

namespace {

using namespace marketprism;

struct Outcome {
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;
  std::uint64_t problems = 0;
  std::int64_t times = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome import(tape::Format format, std::string_view content, std::size_t portion_bytes) {
  Outcome outcome;
  const auto importer = tape::make_importer(
      format, {.symbol_hint = "X", .line_bytes_max = 512, .block_bytes_max = 1 << 16, .on_problem = [&](const Error&) {
                 ++outcome.problems;
               }});
  const auto drain = [&] {
    tape::Frame frame;
    while (importer->next(frame)) {
      ++outcome.frames;
      outcome.times ^= ns_since_epoch(frame.receive_time);
      for (const std::string_view text : {frame.payload, frame.url, frame.exchange, frame.symbol_hint}) {
        for (const char c : text) outcome.bytes += static_cast<unsigned char>(c) + 1U;
      }
    }
  };
  while (!content.empty()) {
    const std::string portion(content.substr(0, portion_bytes));
    content.remove_prefix(portion.size());
    importer->feed(portion);
    drain();
  }
  importer->finish();
  drain();
  return outcome;
}

}  // namespace

/// The first byte says what to do with the rest: import it in one of the formats, whole and in small portions, which
/// must come to the same; or decompress it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const unsigned what = data[0];
  std::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (what % 4 == 3) {
    tape::GzipInflater inflater;
    std::vector<char> output(1 + what);
    for (int i = 0; i < 10'000; ++i) {
      const Result<std::size_t> count = inflater.inflate(content, output);
      if (!count || (*count == 0 && content.empty())) break;
    }
    (void)inflater.finish();
    return 0;
  }
  const auto format = static_cast<tape::Format>(what % 4);
  const Outcome whole = import(format, content, size);
  const Outcome parts = import(format, content, 1 + what / 4);
  if (whole != parts) std::abort();
  return 0;
}
