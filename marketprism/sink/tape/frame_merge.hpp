#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/sink/tape/file_source.hpp"
#include "marketprism/tape/frame.hpp"

namespace marketprism::sink {

/// Merges the frames of several files by receive time. Of frames with the same time that of the file given first comes
/// first, and the order within one file is never changed, even where its stamps go backwards: only the first frame of
/// each file not delivered yet is compared. The parts of our own tape of one venue
/// (exchange=E/date=D/part-<ns>-<n>.mptape) are one long file: each is opened when the one before it has ended. One
/// thread.
class FrameMerge {
 public:
  /// `files` as recording_files() gives them. Frames of files that do not number connections get a number for their
  /// file, counted from options.connection: the later a file's first frame, the higher.
  FrameMerge(std::vector<std::string> files, FileSourceOptions options);

  /// Opens the files (of our tapes the first part each): fails if one of them cannot be opened. To be called once,
  /// before next().
  Result<> open();

  /// The next frame, valid until the next call; false after the last one. A later part that cannot be opened when its
  /// turn comes is told to on_problem and left out.
  bool next(tape::Frame& frame);

  /// Sums over all files so far.
  [[nodiscard]] tape::ImportStats stats() const;

 private:
  struct Input {
    std::vector<std::string> parts;  // one, or those of a tape in order
    std::size_t part = 0;            // the one that is open, or is to be opened first
    std::optional<FileSource> source;
    std::uint32_t connection = 0;
    tape::Frame head;
  };

  Result<> open_part(std::size_t index);
  void advance(std::size_t index);
  [[nodiscard]] bool is_before(std::size_t left, std::size_t right) const;
  void number_connections();
  void push(std::size_t index);
  std::size_t pop();

  FileSourceOptions options_;
  std::vector<Input> inputs_;
  std::vector<std::size_t> heap_;         // inputs with something left, the earliest on top
  std::optional<std::size_t> delivered_;  // the input whose head was handed out last
  tape::ImportStats closed_stats_;
};

}  // namespace marketprism::sink
