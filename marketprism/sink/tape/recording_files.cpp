#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "marketprism/sink/tape/file_source.hpp"

namespace marketprism::sink {

namespace {

namespace fs = std::filesystem;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view take_number(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  std::string_view number = text.substr(0, end);
  text.remove_prefix(end);
  const std::size_t zeros = std::min(number.find_first_not_of('0'), number.size());
  return number.substr(zeros);
}

bool is_left_out(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name.ends_with(".tmp");
}

Result<> add_folder(const fs::path& folder, std::vector<std::string>& files) {
  std::error_code error;
  std::vector<std::string> found;
  const auto options = fs::directory_options::follow_directory_symlink;
  for (auto it = fs::recursive_directory_iterator(folder, options, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (is_left_out(it->path())) {
      if (it->is_directory(error)) it.disable_recursion_pending();
      continue;
    }
    if (it->is_regular_file(error)) found.push_back(it->path().string());
  }
  if (error) return std::unexpected(system_error(error.value(), folder.string() + ": cannot list the folder"));
  if (found.empty()) return fail(ErrorCode::not_found, folder.string() + ": the folder holds no recording", true);
  std::ranges::sort(found, natural_less);
  std::ranges::move(found, std::back_inserter(files));
  return {};
}

}  // namespace

bool natural_less(std::string_view left, std::string_view right) {
  const std::string_view whole_left = left;
  const std::string_view whole_right = right;
  while (!left.empty() && !right.empty()) {
    if (is_digit(left[0]) && is_digit(right[0])) {
      const std::string_view a = take_number(left);
      const std::string_view b = take_number(right);
      if (a.size() != b.size()) return a.size() < b.size();
      if (a != b) return a < b;
      continue;
    }
    if (left[0] != right[0]) return static_cast<unsigned char>(left[0]) < static_cast<unsigned char>(right[0]);
    left.remove_prefix(1);
    right.remove_prefix(1);
  }
  if (left.empty() != right.empty()) return left.empty();
  return whole_left < whole_right;  // "1" and "01": any fixed order
}

Result<std::vector<std::string>> recording_files(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
      if (status.type() != fs::file_type::not_found) {
        return std::unexpected(system_error(error.value(), path + ": cannot open"));
      }
      return fail(ErrorCode::not_found, path + ": no such file or folder", true);
    }
    if (!fs::is_directory(status)) {
      files.push_back(path);
      continue;
    }
    if (const Result<> added = add_folder(path, files); !added) return std::unexpected(added.error());
  }
  return files;
}

}  // namespace marketprism::sink
