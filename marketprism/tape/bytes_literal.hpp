#pragma once
#include <string>
#include <string_view>

namespace marketprism::tape {

/// True where `text` begins a Python bytes literal: b' or b".
constexpr bool is_bytes_literal(std::string_view text) {
  return text.size() >= 2 && text[0] == 'b' && (text[1] == '\'' || text[1] == '"');
}

/// The bytes a Python literal such as b'\x1f\x8b\n\'' stands for, into `bytes` (cleared first). A literal that was cut
/// gives what is there; an escape Python does not know stays as it is written, as Python has it.
void read_bytes_literal(std::string_view literal, std::string& bytes);

}  // namespace marketprism::tape
