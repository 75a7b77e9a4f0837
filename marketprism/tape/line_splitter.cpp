#include "marketprism/tape/line_splitter.hpp"

namespace marketprism::tape {

LineSplitter::Step LineSplitter::deliver(std::string_view text, std::string_view& line) {
  ++line_number_;
  if (text.ends_with('\r')) text.remove_suffix(1);
  line = text;
  return Step::line;
}

LineSplitter::Step LineSplitter::next(std::string_view& line) {
  if (is_gathered_spent_) {
    gathered_.clear();
    is_gathered_spent_ = false;
  }
  const std::size_t end = rest_.find('\n');
  const std::string_view piece = rest_.substr(0, end);
  const bool is_whole =
      end != std::string_view::npos || (finished_ && (!gathered_.empty() || !piece.empty() || is_skipping_));
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  if (is_skipping_ || gathered_.size() + piece.size() > line_bytes_max_) {
    gathered_.clear();
    is_skipping_ = !is_whole;
    if (!is_whole) return Step::starved;
    ++line_number_;
    return Step::too_long;
  }
  if (!is_whole) {
    gathered_.append(piece);
    return Step::starved;
  }
  if (gathered_.empty()) return deliver(piece, line);
  gathered_.append(piece);
  is_gathered_spent_ = true;
  return deliver(gathered_, line);
}

}  // namespace marketprism::tape
