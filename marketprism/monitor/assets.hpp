#pragma once
#include <span>
#include <string_view>

namespace marketprism::monitor {

/// A file of the dashboard, inside the program.
struct Asset {
  std::string_view path;  ///< "/", "/main.js", …
  std::string_view content_type;
  std::string_view bytes;
};

/// Made of dashboard/ and uPlot when the program is built (cmake/embed.cmake).
std::span<const Asset> dashboard_assets();

}  // namespace marketprism::monitor
