#pragma once
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace marketprism {

/// What kind of thing went wrong. The code is for programs; the message of an `Error` is for people.
enum class ErrorCode : std::uint8_t {
  invalid_argument,    ///< the caller or a configuration gave something that can never work
  not_found,           ///< a name (host, file, symbol, key) that does not exist
  already_exists,      ///< a name or address that is taken (a port in use, a file that is there)
  permission_denied,   ///< the operating system or the peer refuses
  malformed,           ///< bytes that are not what their protocol or format asks for
  too_large,           ///< a stated limit (length, depth, count) would be exceeded
  unsupported,         ///< well formed, but nothing this build or this peer can do
  connection_refused,  ///< nobody listens there
  connection_reset,    ///< the peer cut the connection without closing it
  connection_closed,   ///< the connection was closed in order
  tls_failed,          ///< handshake or certificate
  timed_out,           ///< a deadline passed
  cancelled,           ///< the caller gave up
  rate_limited,        ///< the peer or a local budget says: later
  rejected,            ///< the peer understood and said no
  exhausted,           ///< a bounded resource is full
  storage_full,        ///< no space left on the device
  io_failed,           ///< any other failure of the operating system
  closed,              ///< the object was stopped or drained
};

/// The name of a code, as it appears in metrics and JSON ("timed_out").
std::string_view name_of(ErrorCode code);

/// A failure of the outside world or of an input. Bugs assert instead.
struct Error {
  ErrorCode code{};
  std::string message;                 ///< what was wrong, where, and what to do
  bool is_terminal = false;            ///< trying the same again cannot help
  std::shared_ptr<const Error> cause;  ///< what led to it, if another error did

  /// "message: cause's message: …".
  [[nodiscard]] std::string to_string() const;
};

template <class T = void>
using Result = std::expected<T, Error>;

/// `return fail(ErrorCode::malformed, "…");`
[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string message, bool is_terminal = false) {
  return std::unexpected(Error{code, std::move(message), is_terminal, nullptr});
}

/// Wraps `cause` into an error that says in which larger step it happened; code and `is_terminal` stay the cause's.
[[nodiscard]] std::unexpected<Error> fail_because(Error cause, std::string message);

/// The error for an `errno` value: "message: No space left on device".
[[nodiscard]] Error system_error(int errno_value, std::string_view message);

}  // namespace marketprism
