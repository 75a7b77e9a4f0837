#include "marketprism/tape/importer.hpp"

#include <utility>

#include "marketprism/tape/stamp.hpp"

namespace marketprism::tape {

namespace {

std::optional<Format> format_of_line(std::string_view line) {
  for (const std::string_view scheme : {"http://", "https://", "ws://", "wss://", "configuration:"}) {
    if (line.starts_with(scheme)) return Format::cryptofeed;
  }
  if (!take_stamp(line) || line.empty()) return std::nullopt;
  if (line[0] == ':') return Format::cryptofeed;
  if (line[0] == ' ' || line[0] == '\t') return Format::lines;
  return std::nullopt;
}

}  // namespace

std::string_view name_of(Format format) {
  switch (format) {
    case Format::cryptofeed: return "cryptofeed";
    case Format::lines: return "lines";
    case Format::tape: return "tape";
  }
  return "unknown";
}

std::optional<Format> format_named(std::string_view name) {
  for (const Format format : {Format::cryptofeed, Format::lines, Format::tape}) {
    if (name == name_of(format)) return format;
  }
  return std::nullopt;
}

std::optional<Format> detect_format(std::string_view head) {
  if (head.starts_with("MPTAPE")) return Format::tape;
  while (!head.empty()) {
    const std::size_t end = head.find('\n');
    if (const std::optional<Format> format = format_of_line(head.substr(0, end))) return format;
    if (end == std::string_view::npos) break;
    head.remove_prefix(end + 1);
  }
  return std::nullopt;
}

bool looks_like_gzip(std::string_view head) { return head.starts_with("\x1f\x8b"); }

std::unique_ptr<Importer> make_importer(Format format, ImportOptions options) {
  switch (format) {
    case Format::cryptofeed: return make_cryptofeed_importer(std::move(options));
    case Format::lines: return make_lines_importer(std::move(options));
    case Format::tape: break;
  }
  return make_tape_importer(std::move(options));
}

}  // namespace marketprism::tape
