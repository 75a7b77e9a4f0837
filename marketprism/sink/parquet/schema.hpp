#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "marketprism/market/event.hpp"

namespace marketprism::sink {

enum class ColumnType : std::uint8_t {
  name,        ///< VARCHAR of few different values: stored once each
  text,        ///< VARCHAR of many different values
  time,        ///< TIMESTAMP_NS
  integer,     ///< BIGINT
  unsigned32,  ///< UINTEGER
  boolean,     ///< BOOLEAN
  number,      ///< DOUBLE, or DECIMAL(38,18) where the store is exact
};

struct ColumnSpec {
  std::string_view name;
  ColumnType type;
};

/// The columns of an event type's files, in order. `type`, `exchange` and `date` are not among them: they are in the
/// path.
std::span<const ColumnSpec> columns_of(market::EventType type);

/// Bytes of one value in memory.
constexpr std::size_t width_of(ColumnType type, bool is_exact) {
  switch (type) {
    case ColumnType::name: return 4;
    case ColumnType::text: return 16;
    case ColumnType::time:
    case ColumnType::integer: return 8;
    case ColumnType::unsigned32: return 4;
    case ColumnType::boolean: return 1;
    case ColumnType::number: return is_exact ? 16 : 8;
  }
  return 0;
}

}  // namespace marketprism::sink
