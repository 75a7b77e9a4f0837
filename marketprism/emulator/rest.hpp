#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "marketprism/base/time.hpp"

namespace marketprism::emulator {

/// Path and query of a URL or of a request's target, taken apart. A plain value.
struct RestQuery {
  std::string path;
  std::vector<std::pair<std::string, std::string>> parameters;  ///< percent-decoded

  /// "https://host/path?a=b", "/path?a=b". Never fails: what cannot be decoded stays as it is.
  static RestQuery of(std::string_view target_or_url);

  /// The value of the first parameter of that name; empty if there is none.
  [[nodiscard]] std::string_view value(std::string_view name) const;
  [[nodiscard]] bool has(std::string_view name) const;
};

/// What a venue answers to a request.
struct RestAnswer {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  Nanoseconds delay{0};  ///< the shell waits so long before it sends it
};

}  // namespace marketprism::emulator
