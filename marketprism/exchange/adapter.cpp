#include "marketprism/exchange/adapter.hpp"

#include <fmt/format.h>

namespace marketprism::exchange {

Error Adapter::rest_error(int status, std::string_view body) const {
  const ErrorCode code = status == 429 || status == 418 ? ErrorCode::rate_limited
                         : status == 404                ? ErrorCode::not_found
                                                        : ErrorCode::rejected;
  return Error{code, fmt::format("{} answered {}: {}", facts().name, status, body.substr(0, 300)), false, nullptr};
}

}  // namespace marketprism::exchange
