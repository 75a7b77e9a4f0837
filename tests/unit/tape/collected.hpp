#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/tape/importer.hpp"

namespace marketprism::tape {

/// A frame that owns its texts.
struct OwnedFrame {
  std::int64_t time_ns = 0;
  std::string exchange;
  std::uint32_t connection = 0;
  Direction direction{};
  FrameKind kind{};
  std::string url;
  int code = 0;
  std::string symbol_hint;
  std::string payload;

  explicit OwnedFrame(const Frame& frame)
      : time_ns(ns_since_epoch(frame.receive_time)),
        exchange(frame.exchange),
        connection(frame.connection),
        direction(frame.direction),
        kind(frame.kind),
        url(frame.url),
        code(frame.code),
        symbol_hint(frame.symbol_hint),
        payload(frame.payload) {}
  bool operator==(const OwnedFrame&) const = default;

  friend void PrintTo(const OwnedFrame& frame, std::ostream* out) {
    *out << frame.time_ns << " " << frame.exchange << "/" << frame.connection << " " << static_cast<int>(frame.kind)
         << " \"" << frame.payload.substr(0, 40) << "\"";
  }
};

struct Collected {
  std::vector<OwnedFrame> frames;
  std::vector<std::string> problems;
  ImportStats stats;
};

/// Imports `content`, fed in portions of `portion_bytes`, each in memory of its own that is freed before the next.
inline Collected collect(Format format, std::string_view content, std::size_t portion_bytes = 1UL << 20,
                         ImportOptions options = {}) {
  Collected collected;
  options.on_problem = [&collected](const Error& error) { collected.problems.push_back(error.message); };
  const std::unique_ptr<Importer> importer = make_importer(format, options);
  const auto drain = [&] {
    Frame frame;
    while (importer->next(frame)) collected.frames.emplace_back(frame);
  };
  while (!content.empty()) {
    const std::vector<char> portion(
        content.begin(), content.begin() + static_cast<std::ptrdiff_t>(std::min(portion_bytes, content.size())));
    content.remove_prefix(portion.size());
    importer->feed({portion.data(), portion.size()});
    drain();
  }
  importer->finish();
  drain();
  collected.stats = importer->stats();
  return collected;
}

}  // namespace marketprism::tape
