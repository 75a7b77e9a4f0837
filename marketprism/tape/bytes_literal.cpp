#include "marketprism/tape/bytes_literal.hpp"

#include <cstddef>

namespace marketprism::tape {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char simple_escape(char c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case '0': return '\0';
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'v': return '\v';
    default: return c;  // \\, \' and \"
  }
}

}  // namespace

void read_bytes_literal(std::string_view literal, std::string& bytes) {
  bytes.clear();
  if (!is_bytes_literal(literal)) return;
  const char quote = literal[1];
  std::string_view rest = literal.substr(2);
  while (!rest.empty() && rest[0] != quote) {
    if (rest[0] != '\\') {
      const std::size_t run = rest.find_first_of(quote == '"' ? "\\\"" : "\\'");
      bytes.append(rest.substr(0, run));
      rest.remove_prefix(run == std::string_view::npos ? rest.size() : run);
      continue;
    }
    if (rest.size() == 1) return;  // cut within an escape
    if (rest[1] == 'x') {
      if (rest.size() < 4) return;
      const int high = hex_value(rest[2]);
      const int low = hex_value(rest[3]);
      if (high >= 0 && low >= 0) {
        bytes.push_back(static_cast<char>(high * 16 + low));
        rest.remove_prefix(4);
        continue;
      }
    }
    constexpr std::string_view known = "nrt0abfv\\'\"";
    if (known.find(rest[1]) == std::string_view::npos) bytes.push_back('\\');
    bytes.push_back(simple_escape(rest[1]));
    rest.remove_prefix(2);
  }
}

}  // namespace marketprism::tape
