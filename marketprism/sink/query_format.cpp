#include <algorithm>

#include <fmt/format.h>

#include "marketprism/base/json_reader.hpp"
#include "marketprism/sink/query.hpp"

namespace marketprism::sink {

namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// Characters, as a terminal counts most of them.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

/// What a cell shows: one line, not wider than `width_max`.
std::string shown(const std::optional<std::string>& value, std::size_t width_max) {
  if (!value) return "NULL";
  std::string text = *value;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  if (width_of(text) <= width_max) return text;
  std::size_t end = 0;
  for (std::size_t width = 0; end < text.size(); ++end) {
    if (!is_continuation(text[end]) && ++width == width_max) break;
  }
  return text.substr(0, end) + "…";
}

class TableWriter {
 public:
  TableWriter(const std::vector<QueryColumn>& columns, const std::vector<std::vector<std::string>>& cells)
      : columns_(columns) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      std::size_t width = width_of(columns[i].name);
      for (const auto& row : cells) width = std::max(width, width_of(row[i]));
      widths_.push_back(width);
    }
  }

  void rule(std::string_view left, std::string_view middle, std::string_view right) {
    for (std::size_t i = 0; i < widths_.size(); ++i) {
      out_ += i == 0 ? left : middle;
      for (std::size_t n = 0; n < widths_[i] + 2; ++n) out_ += "─";
    }
    out_ += right;
    out_ += '\n';
  }

  void row(const std::vector<std::string>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string padding(widths_[i] - width_of(cells[i]), ' ');
      const bool is_right = columns_[i].kind == QueryColumn::Kind::number;
      out_ += fmt::format("│ {}{}{} ", is_right ? padding : "", cells[i], is_right ? "" : padding);
    }
    out_ += "│\n";
  }

  std::string& out() { return out_; }

 private:
  const std::vector<QueryColumn>& columns_;
  std::vector<std::size_t> widths_;
  std::string out_;
};

}  // namespace

Result<std::string> format_table(QueryResult& result, TableOptions options) {
  std::vector<std::vector<std::string>> cells;
  std::uint64_t count = 0;
  QueryResult::Row row;
  for (;;) {
    const Result<bool> more = result.next(row);
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    if (++count > options.rows_max) continue;
    std::vector<std::string>& line = cells.emplace_back();
    for (const std::optional<std::string>& value : row) line.push_back(shown(value, options.column_width_max));
  }
  if (result.columns().empty()) return std::string("done\n");
  TableWriter table(result.columns(), cells);
  table.rule("┌", "┬", "┐");
  std::vector<std::string> names;
  for (const QueryColumn& column : result.columns()) names.push_back(column.name);
  table.row(names);
  table.rule("├", "┼", "┤");
  for (const auto& line : cells) table.row(line);
  table.rule("└", "┴", "┘");
  table.out() += count > cells.size() ? fmt::format("{} rows, the first {} shown\n", count, cells.size())
                                      : fmt::format("{} row{}\n", count, count == 1 ? "" : "s");
  return std::move(table.out());
}

void append_json_row(const std::vector<QueryColumn>& columns, const QueryResult::Row& row, std::string& out) {
  out += '{';
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (i > 0) out += ',';
    out += '"';
    append_escaped(out, columns[i].name);
    out += "\":";
    const bool is_bare = row[i] && columns[i].kind != QueryColumn::Kind::text;
    if (!row[i] || (is_bare && row[i]->find_first_of("nN") != std::string::npos)) {  // inf and nan are no JSON numbers
      out += "null";
    } else if (is_bare) {
      out += *row[i];
    } else {
      out += '"';
      append_escaped(out, *row[i]);
      out += '"';
    }
  }
  out += "}\n";
}

}  // namespace marketprism::sink
