# Writes a C++ source that holds files as arrays, for monitor/assets.hpp. Called while building:
#   cmake -DOUTPUT=assets.cpp "-DFILES=/|text/html; charset=utf-8|path/index.html||/main.js|text/javascript|path/main.js" -P embed.cmake
string(REPLACE "||" ";" files "${FILES}")
set(arrays "")
set(table "")
set(n 0)
foreach(file IN LISTS files)
  string(REPLACE "|" ";" parts "${file}")
  list(GET parts 0 path)
  list(GET parts 1 type)
  list(GET parts 2 source)
  file(READ ${source} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND arrays "constexpr unsigned char file${n}[] = {${bytes}};\n")
  string(APPEND table "    {\"${path}\", \"${type}; charset=utf-8\", view(file${n})},\n")
  math(EXPR n "${n} + 1")
endforeach()
file(WRITE ${OUTPUT} "// Made by cmake/embed.cmake; do not edit.
#include \"marketprism/monitor/assets.hpp\"

#include <array>
#include <cstddef>

namespace marketprism::monitor {
namespace {
${arrays}
template <std::size_t size>
std::string_view view(const unsigned char (&bytes)[size]) {
  return {reinterpret_cast<const char*>(bytes), size};
}
}  // namespace

std::span<const Asset> dashboard_assets() {
  static const std::array<Asset, ${n}> assets{{
${table}  }};
  return assets;
}

}  // namespace marketprism::monitor
")
