#include "marketprism/memory/object_pool.hpp"

#include <cstdlib>

#include <fmt/format.h>

#include "marketprism/base/log.hpp"

namespace marketprism::memory::detail {

void object_pool_misuse(std::string_view pool, std::string_view what) {
  log(LogLevel::error, "memory", fmt::format("object pool \"{}\": {}", pool, what));
  std::abort();
}

}  // namespace marketprism::memory::detail
