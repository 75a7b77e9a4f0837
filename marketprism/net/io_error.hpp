#pragma once
#include <string_view>

#include <boost/system/error_code.hpp>

#include "marketprism/base/error.hpp"

namespace marketprism::net {

/// Asio's error as ours: "api.example:443: connection refused: …" with what to do, where we know it. `where` is
/// host:port.
[[nodiscard]] Error io_error(boost::system::error_code error, std::string_view where);
/// The same for an `errno` value.
[[nodiscard]] Error io_error(int errno_value, std::string_view where);

}  // namespace marketprism::net
