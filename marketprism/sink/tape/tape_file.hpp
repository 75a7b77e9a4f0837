#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism::sink {

/// One open file of a tape: appended to by the tape's thread, synced by another. Closed by whoever drops it last.
class TapeFile {
 public:
  TapeFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~TapeFile();
  TapeFile(const TapeFile&) = delete;
  TapeFile& operator=(const TapeFile&) = delete;

  /// Appends all of `bytes`, or takes back what of them was written and fails.
  Result<> append(std::string_view bytes);

  /// Waits for the disk if something was written since the last time; after a failure the next call tries again. Any
  /// thread.
  Result<> sync();

  [[nodiscard]] bool is_synced() const { return !is_dirty_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] bool is_torn() const { return is_torn_; }  ///< a part of a block could not be taken back

 private:
  int descriptor_;
  std::string path_;
  std::uint64_t bytes_ = 0;
  bool is_torn_ = false;
  std::atomic<bool> is_dirty_ = false;
  std::atomic<bool> is_name_safe_ = false;  // the folder's entry has been synced
};

struct TapeFolderOptions {
  std::string folder;  ///< the store's DIR; files are DIR/tape/exchange=E/date=D/part-<first ns>-<n>.mptape
  std::uint64_t file_bytes_max = 256UL << 20;
  std::chrono::nanoseconds file_age_max = std::chrono::hours(1);
};

/// The files of one venue's tape: starts a new one at the limits, at midnight UTC and after a failure, and never
/// touches one that exists. One thread.
class TapeFolder {
 public:
  TapeFolder(TapeFolderOptions options, std::string exchange)
      : options_(std::move(options)), exchange_(std::move(exchange)) {}

  /// Appends a whole block whose first frame was received at `first_time`. After a failure nothing of it is in the file
  /// and the same call may be repeated later.
  Result<> write(std::string_view block, UnixTime first_time, Instant now);

  /// The file written to last; null before the first block and after a failure.
  [[nodiscard]] const std::shared_ptr<TapeFile>& file() const { return file_; }
  [[nodiscard]] std::uint64_t files_created() const { return files_created_; }

 private:
  Result<> start_file(UnixTime first_time, const std::string& date, Instant now);

  TapeFolderOptions options_;
  std::string exchange_;
  std::shared_ptr<TapeFile> file_;
  std::string date_;
  Instant started_{};
  std::uint64_t files_created_ = 0;
};

}  // namespace marketprism::sink
