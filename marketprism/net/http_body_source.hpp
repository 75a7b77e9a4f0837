#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "marketprism/async/task.hpp"
#include "marketprism/base/error.hpp"

namespace marketprism::net {

/// The body of a request that is not in memory as a whole: a file, another connection, something computed on the way.
/// Shared by who made it and the requests that send it, one at a time; used on the loop of the request.
class HttpBodySource {
 public:
  HttpBodySource() = default;
  virtual ~HttpBodySource();
  HttpBodySource(const HttpBodySource&) = delete;
  HttpBodySource& operator=(const HttpBodySource&) = delete;

  /// How many bytes it gives in all, sent as Content-Length; none: not known, the body is sent in chunks. Always the
  /// same answer.
  [[nodiscard]] virtual std::optional<std::uint64_t> size() const { return std::nullopt; }

  /// The next piece, valid until the next call; empty: the end. Asked only when the piece before is with the operating
  /// system, so a slow server slows the source down. It may wait; no time-out but the request's deadline runs then. An
  /// error, or an exception, fails the request. When the request ends first (a deadline, an answer that did not wait
  /// for the whole body, the caller gave up), a read that waits is cancelled by Asio's cancellation, and the request
  /// ends once the read has.
  virtual async::Task<Result<std::string_view>> read() = 0;

  /// The next `read` gives the first piece again: what sending the request anew needs, after a lost connection or a
  /// redirect. Not called while a `read` waits. Unless overridden `unsupported`: the body can be sent once.
  virtual Result<> rewind();
};

using HttpBodySourcePtr = std::shared_ptr<HttpBodySource>;

}  // namespace marketprism::net
