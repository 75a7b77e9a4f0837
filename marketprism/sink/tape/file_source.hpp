#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/tape/frame.hpp"
#include "marketprism/tape/importer.hpp"

namespace marketprism::sink {

struct FileSourceOptions {
  std::string exchange;  ///< given to frames whose recording does not name its venue
  /// Where `exchange` is empty: tells the venue of a file from its path; empty where it cannot.
  std::function<std::string(const std::string& path)> exchange_of;
  std::uint32_t connection = 0;        ///< given to frames whose recording does not number connections
  std::optional<tape::Format> format;  ///< forced; else found by the content
  std::size_t line_bytes_max = 64UL << 20;
  std::size_t read_bytes = 256UL << 10;  ///< size of one read
  /// Told of what could not be read: a file that is cut or damaged, lines without a time stamp. The message begins with
  /// the path. What was readable is still delivered.
  std::function<void(const Error&)> on_problem;
};

/// The frames of one file, in the order of the file; gzip or plain, any format tape/importer.hpp reads. Owns the open
/// file and its buffers. One thread; blocks while it reads.
class FileSource {
 public:
  /// Opens the file and recognises its format. Fails where it cannot be opened, is empty of anything recognisable, or
  /// is a folder. A file of zero bytes is no failure: it has no frames.
  static Result<FileSource> open(const std::string& path, FileSourceOptions options);

  FileSource(FileSource&&) noexcept;
  FileSource& operator=(FileSource&&) noexcept;
  ~FileSource();

  /// The next frame, valid until the next call; false at the end of the file.
  bool next(tape::Frame& frame);

  [[nodiscard]] const std::string& path() const;
  [[nodiscard]] tape::Format format() const;
  [[nodiscard]] const tape::ImportStats& stats() const;

 private:
  struct State;
  explicit FileSource(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The recordings that `paths` name, in order: a file is itself, a folder all files in it and below in natural order
/// ("x.2" before "x.10"; so for a cryptofeed folder EXCH.0, EXCH.http.*, EXCH.ws.*). Hidden and temporary files are
/// left out. Fails (not_found) where a path does not exist or a folder holds no file.
Result<std::vector<std::string>> recording_files(const std::vector<std::string>& paths);

/// Compares names so that runs of digits count as numbers.
bool natural_less(std::string_view left, std::string_view right);

}  // namespace marketprism::sink
