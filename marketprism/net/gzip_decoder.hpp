#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"

namespace marketprism::net {

/// Decompresses a zlib stream or gzip members, one after the other, piece by piece; reused, it does not allocate. One
/// owner, no lock.
class GzipDecoder {
 public:
  GzipDecoder();
  ~GzipDecoder();

  /// Starts a new stream.
  void reset();
  /// Appends what `bytes` hold to `out`, which never grows beyond `size_max` (`too_large`). `malformed` for bytes that
  /// are no such stream, or that follow its end.
  Result<> decode(std::string_view bytes, std::string& out, std::size_t size_max);
  /// The same, but stops when `out` has `size_max` bytes and tells how many of `bytes` were taken. Bring the others
  /// again when there is room.
  Result<std::size_t> decode_some(std::string_view bytes, std::string& out, std::size_t size_max);
  /// The last call stopped for want of room: more may come, even out of no bytes.
  [[nodiscard]] bool has_more() const;
  /// Something of the stream was read.
  [[nodiscard]] bool has_begun() const;
  /// The stream came to its end, or the gzip member that was read last did.
  [[nodiscard]] bool is_complete() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Compresses for a reply: gzip, zlib level 1–9.
std::string gzip(std::string_view text, int level = 6);

}  // namespace marketprism::net
