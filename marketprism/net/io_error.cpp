#include "marketprism/net/io_error.hpp"

#include <cerrno>
#include <string>

#include <boost/asio/error.hpp>

namespace marketprism::net {

Error io_error(boost::system::error_code error, std::string_view where) {
  if (error == boost::asio::error::eof) {
    return Error{ErrorCode::connection_closed, std::string(where) + ": the peer closed the connection", false, nullptr};
  }
  if (error.category() == boost::system::system_category() || error.category() == boost::system::generic_category()) {
    return io_error(error.value(), where);
  }
  return Error{ErrorCode::io_failed, std::string(where) + ": " + error.message(), false, nullptr};
}

Error io_error(int errno_value, std::string_view where) {
  const std::string at(where);
  switch (errno_value) {
    case ECONNREFUSED:
      return {ErrorCode::connection_refused,
              at + ": connection refused: nothing listens there; check host and port, and that the server runs", false,
              nullptr};
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED: return {ErrorCode::connection_reset, at + ": the peer reset the connection", false, nullptr};
    case ETIMEDOUT:
      return {ErrorCode::timed_out,
              at + ": no answer from the network; check that the host is up and no firewall is between", false,
              nullptr};
    case EHOSTUNREACH:
    case ENETUNREACH:
      return {ErrorCode::io_failed, at + ": no route to the host; check the network of this machine", false, nullptr};
    case ECANCELED: return {ErrorCode::cancelled, at + ": cancelled", false, nullptr};
    default: return system_error(errno_value, where);
  }
}

}  // namespace marketprism::net
