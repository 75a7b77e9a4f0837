// The validator gives the same for a text whole and in two pieces as a plain reading of the definition.
#include "marketprism/wire/utf8.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

bool is_utf8_by_definition(std::string_view text) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text[0]);
    std::size_t size = 1;
    std::uint32_t point = lead;
    if (lead >= 0x80) {
      size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
      if (lead < 0xC0 || lead >= 0xF8 || text.size() < size) return false;
      point = lead & (0x7FU >> size);
      for (std::size_t i = 1; i < size; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte & 0xC0) != 0x80) return false;
        point = (point << 6) | (byte & 0x3F);
      }
      constexpr std::uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
      if (point < lowest[size] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
    }
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace marketprism::wire;
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool expected = is_utf8_by_definition(text);
  if (is_utf8(text) != expected) std::abort();
  Utf8Validator validator;
  const std::size_t cut = text.empty() ? 0 : data[0] % text.size();
  const bool is_good =
      validator.feed(text.substr(0, cut)) && validator.feed(text.substr(cut)) && validator.is_complete();
  if (is_good != expected) std::abort();
  return 0;
}
