#include "marketprism/sink/part_file.hpp"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <filesystem>
#include <signal.h>
#include <stdio.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

namespace marketprism::sink {

namespace {

constexpr std::string_view temporary_prefix = ".part-";
constexpr std::string_view temporary_suffix = ".tmp";

}  // namespace

std::string part_path(std::string_view folder, UnixTime first_time, unsigned number, std::string_view extension) {
  return fmt::format("{}/part-{}-{}.{}", folder, ns_since_epoch(first_time), number, extension);
}

Result<> make_folders(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return std::unexpected(system_error(error.value(), folder + ": cannot make the folder"));
  return {};
}

Result<> check_writable(const std::string& folder) {
  if (Result<> made = make_folders(folder); !made) return made;
  const std::string probe = fmt::format("{}/.probe-{}", folder, ::getpid());
  const int descriptor = ::open(probe.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return std::unexpected(system_error(errno, folder + ": cannot write to the folder"));
  ::close(descriptor);
  ::unlink(probe.c_str());
  return {};
}

Result<> rename_new(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno == EINVAL || errno == ENOSYS) {  // a file system without it: a hard link does not replace either
    if (::link(from.c_str(), to.c_str()) == 0) {
      ::unlink(from.c_str());
      return {};
    }
  }
  return std::unexpected(system_error(errno, to + ": cannot rename the finished file"));
}

std::string temporary_path(std::string_view folder, UnixTime first_time, std::string_view extension) {
  return fmt::format("{}/{}{}.{}.{}{}", folder, temporary_prefix, ns_since_epoch(first_time), ::getpid(), extension,
                     temporary_suffix);
}

void remove_stale_temporaries(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::error_code ignored;
  for (auto it = fs::recursive_directory_iterator(folder, error); !error && it != fs::recursive_directory_iterator();
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(temporary_prefix) || !name.ends_with(temporary_suffix)) continue;
    const std::size_t dot = name.find('.', temporary_prefix.size());
    pid_t process = 0;
    if (dot == std::string::npos) continue;
    const auto [end, bad] = std::from_chars(name.data() + dot + 1, name.data() + name.size(), process);
    if (bad != std::errc{} || *end != '.' || process <= 0) continue;
    if (::kill(process, 0) != 0 && errno == ESRCH) fs::remove(it->path(), ignored);
  }
}

Result<> sync_path(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return std::unexpected(system_error(errno, path + ": cannot open"));
  const int status = ::fsync(descriptor);
  const int reason = errno;
  ::close(descriptor);
  if (status != 0) return std::unexpected(system_error(reason, path + ": cannot sync"));
  return {};
}

}  // namespace marketprism::sink
