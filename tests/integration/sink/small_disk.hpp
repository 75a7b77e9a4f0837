#pragma once
#include <string>
#include <sys/mount.h>

#include "tests/unit/sink/temporary_folder.hpp"

namespace marketprism::sink {

/// A file system of its own, a quarter of a megabyte in size, where this process may mount one (it needs root).
class SmallDisk {
 public:
  SmallDisk() : is_mounted_(::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=256k") == 0) {}
  ~SmallDisk() {
    if (is_mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  [[nodiscard]] bool is_mounted() const { return is_mounted_; }
  [[nodiscard]] const std::string& path() const { return folder_.path(); }
  [[nodiscard]] const TemporaryFolder& folder() const { return folder_; }

 private:
  TemporaryFolder folder_;
  bool is_mounted_;
};

}  // namespace marketprism::sink
