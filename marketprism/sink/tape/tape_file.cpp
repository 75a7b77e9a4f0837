#include "marketprism/sink/tape/tape_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "marketprism/sink/part_file.hpp"
#include "marketprism/tape/block.hpp"

namespace marketprism::sink {

TapeFile::~TapeFile() { ::close(descriptor_); }

Result<> TapeFile::append(std::string_view bytes) {
  is_dirty_.store(true, std::memory_order_release);
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t count = ::write(descriptor_, rest.data(), rest.size());
    if (count >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    const int reason = errno;
    if (rest.size() < bytes.size()) {
      const auto whole = static_cast<off_t>(bytes_);
      is_torn_ = ::ftruncate(descriptor_, whole) != 0 || ::lseek(descriptor_, whole, SEEK_SET) < 0;
    }
    return std::unexpected(system_error(reason, path_ + ": cannot write to the tape"));
  }
  bytes_ += bytes.size();
  return {};
}

Result<> TapeFile::sync() {
  if (!is_dirty_.exchange(false, std::memory_order_acquire)) return {};
  if (::fdatasync(descriptor_) != 0) {
    const int reason = errno;
    is_dirty_.store(true, std::memory_order_release);
    return std::unexpected(system_error(reason, path_ + ": cannot sync the tape"));
  }
  if (is_name_safe_.exchange(true)) return {};
  return sync_path(path_.substr(0, path_.rfind('/')));
}

Result<> TapeFolder::start_file(UnixTime first_time, const std::string& date, Instant now) {
  file_.reset();
  const std::string folder = fmt::format("{}/tape/exchange={}/date={}", options_.folder, exchange_, date);
  if (Result<> made = make_folders(folder); !made) return made;
  for (unsigned number = 0;; ++number) {
    std::string path = part_path(folder, first_time, number, "mptape");
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor < 0 && errno == EEXIST) continue;
    if (descriptor < 0) return std::unexpected(system_error(errno, path + ": cannot start a file of the tape"));
    auto file = std::make_shared<TapeFile>(descriptor, std::move(path));
    if (Result<> written = file->append(tape::encode_file_header(first_time)); !written) {
      ::unlink(file->path().c_str());
      return written;
    }
    file_ = std::move(file);
    date_ = date;
    started_ = now;
    ++files_created_;
    return {};
  }
}

Result<> TapeFolder::write(std::string_view block, UnixTime first_time, Instant now) {
  const std::string date = date_text(first_time);
  const bool is_at_limit =
      file_ && (file_->bytes() >= options_.file_bytes_max || now - started_ >= options_.file_age_max || date != date_);
  if (!file_ || is_at_limit) {
    if (Result<> started = start_file(first_time, date, now); !started) return started;
  }
  if (Result<> written = file_->append(block); !written) {
    if (file_->is_torn()) file_.reset();  // its reader stops before the torn block; go on in another file
    return written;
  }
  return {};
}

}  // namespace marketprism::sink
