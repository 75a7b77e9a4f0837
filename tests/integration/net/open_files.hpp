#pragma once
#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>

namespace marketprism::net {

/// Sockets this process has open, as the operating system counts them.
inline std::size_t open_sockets() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the directory's own descriptor
    if (std::filesystem::read_symlink(entry.path(), gone).string().starts_with("socket:")) ++count;
  }
  return count;
}

}  // namespace marketprism::net
