#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>  // tidy-allow(heavy-header): only .cpp files include this header

#include "marketprism/tape/importer.hpp"
#include "marketprism/tape/line_splitter.hpp"

namespace marketprism::tape {

/// What the importers of text recordings share: the lines, the count of bad ones and the words about them. Include it
/// in .cpp files only.
class LineImporter : public Importer {
 public:
  explicit LineImporter(ImportOptions options) : options_(std::move(options)), lines_(options_.line_bytes_max) {}

  void feed(std::string_view bytes) final { lines_.feed(bytes); }
  void finish() final { lines_.finish(); }

  bool next(Frame& frame) final {
    std::string_view line;
    for (;;) {
      switch (lines_.next(line)) {
        case LineSplitter::Step::starved: return false;
        case LineSplitter::Step::too_long: report_too_long(); continue;
        case LineSplitter::Step::line: break;
      }
      if (line.empty()) {
        ++stats_.ignored_lines;
        continue;
      }
      frame = Frame{};
      frame.exchange = options_.exchange;
      frame.connection = options_.connection;
      if (read_line(line, frame)) {
        ++stats_.frames;
        return true;
      }
    }
  }

 protected:
  /// Fills `frame` from a line that is not empty; false: the line was ignored or malformed, and counted.
  virtual bool read_line(std::string_view line, Frame& frame) = 0;

  bool malformed(std::string_view line, std::string_view reason) {
    ++stats_.malformed_lines;
    if (options_.on_problem) {
      const std::string_view shown = line.substr(0, 60);
      options_.on_problem(Error{ErrorCode::malformed,
                                fmt::format("line {}: {}: \"{}{}\"; the line is skipped", lines_.line_number(), reason,
                                            shown, shown.size() < line.size() ? "…" : ""),
                                true, nullptr});
    }
    return false;
  }

  ImportOptions options_;

 private:
  void report_too_long() {
    ++stats_.oversized_lines;
    if (options_.on_problem) {
      options_.on_problem(Error{ErrorCode::too_large,
                                fmt::format("line {}: longer than {} bytes; the line is skipped", lines_.line_number(),
                                            options_.line_bytes_max),
                                true, nullptr});
    }
  }

  LineSplitter lines_;
};

}  // namespace marketprism::tape
