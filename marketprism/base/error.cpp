#include "marketprism/base/error.hpp"

#include <cerrno>
#include <system_error>

namespace marketprism {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::already_exists: return "already_exists";
    case ErrorCode::permission_denied: return "permission_denied";
    case ErrorCode::malformed: return "malformed";
    case ErrorCode::too_large: return "too_large";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::connection_refused: return "connection_refused";
    case ErrorCode::connection_reset: return "connection_reset";
    case ErrorCode::connection_closed: return "connection_closed";
    case ErrorCode::tls_failed: return "tls_failed";
    case ErrorCode::timed_out: return "timed_out";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::rate_limited: return "rate_limited";
    case ErrorCode::rejected: return "rejected";
    case ErrorCode::exhausted: return "exhausted";
    case ErrorCode::storage_full: return "storage_full";
    case ErrorCode::io_failed: return "io_failed";
    case ErrorCode::closed: return "closed";
  }
  return "unknown";
}

std::string Error::to_string() const {
  std::string text = message;
  for (const Error* at = cause.get(); at != nullptr; at = at->cause.get()) text += ": " + at->message;
  return text;
}

std::unexpected<Error> fail_because(Error cause, std::string message) {
  const ErrorCode code = cause.code;
  const bool is_terminal = cause.is_terminal;
  return std::unexpected(Error{code, std::move(message), is_terminal, std::make_shared<const Error>(std::move(cause))});
}

Error system_error(int errno_value, std::string_view message) {
  const ErrorCode code = [errno_value] {
    switch (errno_value) {
      case ENOENT: return ErrorCode::not_found;
      case EEXIST:
      case EADDRINUSE: return ErrorCode::already_exists;
      case EACCES:
      case EPERM:
      case EROFS: return ErrorCode::permission_denied;
      case ENOSPC:
      case EDQUOT: return ErrorCode::storage_full;
      case ECONNREFUSED: return ErrorCode::connection_refused;
      case ECONNRESET:
      case EPIPE: return ErrorCode::connection_reset;
      case ETIMEDOUT: return ErrorCode::timed_out;
      case ECANCELED: return ErrorCode::cancelled;
      case EMFILE:
      case ENFILE: return ErrorCode::exhausted;
      default: return ErrorCode::io_failed;
    }
  }();
  return Error{code, std::string(message) + ": " + std::generic_category().message(errno_value), false, nullptr};
}

}  // namespace marketprism
