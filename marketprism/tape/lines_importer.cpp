#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "marketprism/tape/importer.hpp"
#include "marketprism/tape/line_importer.hpp"
#include "marketprism/tape/stamp.hpp"

namespace marketprism::tape {

namespace {

constexpr std::size_t seen_symbols_max = 64;

std::string upper_case(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

/// `<time> <json>` lines. A bare REST answer among them (`{"lastUpdateId":…}`) names no symbol: it belongs to the one
/// in the file's name, or, where the file was renamed, to the symbol that its streams have named most.
class LinesImporter final : public LineImporter {
 public:
  explicit LinesImporter(ImportOptions options) : LineImporter(std::move(options)), hint_(options_.symbol_hint) {}

 private:
  bool read_line(std::string_view line, Frame& frame) override {
    std::string_view rest = line;
    const std::optional<UnixTime> time = take_stamp(rest);
    if (!time || rest.empty() || (rest[0] != ' ' && rest[0] != '\t')) {
      if (line.find_first_not_of(" \t") != std::string_view::npos) return malformed(line, "no time stamp");
      ++stats_.ignored_lines;
      return false;
    }
    rest.remove_prefix(1);
    frame.receive_time = *time;
    frame.payload = rest;
    if (is_rest_book(rest)) {
      frame.kind = FrameKind::http_response;
      frame.code = 200;
      choose_hint();
    } else {
      note_symbol(rest);
    }
    frame.symbol_hint = hint_;
    return true;
  }

  static bool is_rest_book(std::string_view json) {
    if (!json.starts_with('{')) return false;
    const std::size_t key = json.find_first_not_of(' ', 1);
    return key != std::string_view::npos && json.substr(key).starts_with("\"lastUpdateId\"");
  }

  struct Seen {
    std::string stream_symbol;  // as the streams write it
    std::string symbol;         // upper case
    std::uint64_t lines = 0;
  };

  /// Counts the lines of each symbol that the streams name; a line of garbage may name one that does not exist.
  void note_symbol(std::string_view json) {
    constexpr std::string_view before = "{\"stream\":\"";
    if (!json.starts_with(before)) return;
    json.remove_prefix(before.size());
    const std::size_t end = json.substr(0, 64).find_first_of("@\"");
    if (end == 0 || end == std::string_view::npos || json[end] != '@') return;
    const std::string_view name = json.substr(0, end);
    auto seen = std::ranges::find(seen_, name, &Seen::stream_symbol);
    if (seen == seen_.end()) {
      if (seen_.size() >= seen_symbols_max) return;
      seen = seen_.insert(seen_.end(), {std::string(name), upper_case(name), 0});
    }
    ++seen->lines;
  }

  void choose_hint() {
    const bool name_is_right = std::ranges::find(seen_, options_.symbol_hint, &Seen::symbol) != seen_.end();
    const auto most = std::ranges::max_element(seen_, {}, &Seen::lines);
    hint_ = name_is_right || most == seen_.end() ? options_.symbol_hint : most->symbol;
  }

  std::string hint_;
  std::vector<Seen> seen_;
};

bool is_number(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == text.npos; }

bool is_date(std::string_view text) {
  std::string digits(text);
  std::erase(digits, '-');
  return digits.size() == 8 && is_number(digits);
}

}  // namespace

std::string symbol_from_file_name(std::string_view file_name) {
  const std::size_t slash = file_name.rfind('/');
  if (slash != std::string_view::npos) file_name.remove_prefix(slash + 1);
  file_name = file_name.substr(0, file_name.find('.'));
  std::vector<std::string_view> parts;
  while (!file_name.empty()) {
    const std::size_t end = std::min(file_name.find('_'), file_name.size());
    if (end > 0) parts.push_back(file_name.substr(0, end));
    file_name.remove_prefix(std::min(end + 1, file_name.size()));
  }
  if (!parts.empty() && is_date(parts.back())) parts.pop_back();
  // A venue stands before the symbol, unless the second part can only be a piece of the symbol (BTCUSD_PERP,
  // BTCUSDT_240927).
  const bool begins_with_symbol = parts.size() == 2 && (upper_case(parts[1]) == "PERP" || is_number(parts[1]));
  if (parts.size() >= 2 && !begins_with_symbol) parts.erase(parts.begin());
  std::string symbol;
  for (const std::string_view part : parts) {
    if (!symbol.empty()) symbol += '_';
    symbol += upper_case(part);
  }
  return symbol;
}

std::unique_ptr<Importer> make_lines_importer(ImportOptions options) {
  return std::make_unique<LinesImporter>(std::move(options));
}

}  // namespace marketprism::tape
