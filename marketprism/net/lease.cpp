#include "marketprism/net/lease.hpp"

#include <fmt/format.h>

#include "marketprism/base/log.hpp"

namespace marketprism::net::detail {

void log_overdue(std::string_view pool, const pool::Overdue& lease) {
  log(LogLevel::warning, "pool",
      fmt::format("pool '{}': connection {} is held for {:.3f} s by {}:{} ({}); was its lease forgotten?", pool,
                  lease.connection.id, std::chrono::duration<double>(lease.held).count(), lease.holder.file_name(),
                  lease.holder.line(), lease.holder.function_name()));
}

}  // namespace marketprism::net::detail
