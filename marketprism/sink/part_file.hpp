#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism::sink {

/// `folder/part-<first_time ns>-<number>.<extension>`: where a part of the store lives. Sorting by name sorts by time.
std::string part_path(std::string_view folder, UnixTime first_time, unsigned number, std::string_view extension);

/// Makes the folder and those above it. Fails with the path in the message.
Result<> make_folders(const std::string& folder);

/// Makes the folder if need be and tries to create a file in it. Fails with a message that names the folder.
Result<> check_writable(const std::string& folder);

/// Gives `from` the name `to` unless that is taken (already_exists); never overwrites. Both in the same folder.
Result<> rename_new(const std::string& from, const std::string& to);

/// The name under which the file for `first_time` is written before it is whole; hidden, and no pattern for *.parquet
/// finds it. It names this process.
std::string temporary_path(std::string_view folder, UnixTime first_time, std::string_view extension);

/// Removes the temporary files in `folder` and below whose process is gone: what a crash has left.
void remove_stale_temporaries(const std::string& folder);

/// Waits until the content of the file, or the entries of the folder, are on the disk.
Result<> sync_path(const std::string& path);

}  // namespace marketprism::sink
