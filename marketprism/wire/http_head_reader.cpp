#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>

#include "marketprism/wire/http_message.hpp"

namespace marketprism::wire {

namespace {
constexpr std::size_t start_bytes = 2048;
constexpr std::string_view head_end = "\r\n\r\n";
}  // namespace

HttpHeadReader::HttpHeadReader(std::size_t bytes_max) : bytes_max_(std::max(bytes_max, head_end.size())) {}

std::span<std::byte> HttpHeadReader::prepare() {
  assert(!is_complete() && filled_ < bytes_max_);
  if (filled_ == bytes_.size()) bytes_.resize(std::min(std::max(start_bytes, filled_ * 2), bytes_max_));
  return std::as_writable_bytes(std::span(bytes_)).subspan(filled_);
}

Result<bool> HttpHeadReader::commit(std::size_t count) {
  assert(!is_complete() && count <= bytes_.size() - filled_);
  const std::size_t from = filled_ - std::min<std::size_t>(filled_, head_end.size() - 1);
  filled_ += count;
  const std::string_view filled = std::string_view(bytes_).substr(0, filled_);
  const std::size_t end = filled.find(head_end, from);
  const bool is_found = end != std::string_view::npos;
  const std::size_t head_bytes = is_found ? end + head_end.size() : filled_;
  if (filled.substr(from, head_bytes - from).find('\0') != std::string_view::npos) {
    return fail(ErrorCode::malformed, "HTTP head: a NUL byte", true);
  }
  if (head_bytes > bytes_max_ || (!is_found && filled_ == bytes_max_)) {
    return fail(ErrorCode::too_large, fmt::format("HTTP head: above the limit of {} bytes", bytes_max_), true);
  }
  if (is_found) head_bytes_ = head_bytes;
  return is_found;
}

Result<bool> HttpHeadReader::append(std::string_view bytes) {
  assert(!is_complete());
  bytes_.resize(filled_);
  bytes_ += bytes;
  return commit(bytes.size());
}

}  // namespace marketprism::wire
