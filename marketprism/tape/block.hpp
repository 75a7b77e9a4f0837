#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/tape/frame.hpp"

/// Our own raw recording, `.mptape`. A file is a file header and any number of blocks; all numbers little-endian.
///
///   file header   "MPTAPE", u16 version (1), i64 receive time of the first frame in ns                       16 bytes
///   block header  "MPBK", u32 bytes of the compressed payload, u32 bytes plain, u32 frames,
///                 i64 receive time of the first and of the last frame in ns, u32 CRC-32 of the 32 bytes before 36
///                 bytes
///   payload       one zstd frame with content checksum (XXH64)
///
/// A block stands for itself: it can be read without those before it. Within it each frame is: flags byte, time since
/// the frame before as a zigzag varint, [stream], [url], [code], [symbol hint], payload; texts have a varint length
/// before them. Streams (exchange, connection) are numbered in the order of their first use in the block.
namespace marketprism::tape {

inline constexpr std::size_t file_header_bytes = 16;
inline constexpr std::size_t block_header_bytes = 36;

/// The header every file begins with.
std::string encode_file_header(UnixTime first_time);

struct BlockHeader {
  std::uint32_t compressed_bytes = 0;
  std::uint32_t plain_bytes = 0;
  std::uint32_t frames = 0;
  UnixTime first_time{};
  UnixTime last_time{};
};

void encode_block_header(const BlockHeader& header, char* bytes);

/// nullopt where the bytes (at least block_header_bytes) are no block header, or a damaged one.
std::optional<BlockHeader> decode_block_header(std::string_view bytes);

/// Gathers frames, uncompressed, until somebody seals the block. Appending costs a copy of the payload and no
/// allocation once warm. Belongs to one thread at a time; handed over whole between threads.
class BlockBuffer {
 public:
  BlockBuffer() = default;

  /// With memory for so many bytes, taken and touched.
  explicit BlockBuffer(std::size_t bytes_max);

  /// Views of `frame` are copied. Payload, URL and symbol together must stay below 1 GiB (asserted).
  void append(const Frame& frame);
  void clear();

  [[nodiscard]] bool empty() const { return frames_ == 0; }
  [[nodiscard]] std::uint32_t frames() const { return frames_; }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  [[nodiscard]] UnixTime first_time() const { return first_time_; }
  [[nodiscard]] UnixTime last_time() const { return last_time_; }

 private:
  struct Stream {
    std::string exchange;
    std::uint32_t connection = 0;
  };

  std::size_t stream_of(const Frame& frame, bool& is_new);

  std::string bytes_;
  std::vector<Stream> streams_;  // streams_[0, stream_count_) are in use; the rest keep their capacity
  std::size_t stream_count_ = 0;
  std::size_t last_stream_ = 0;
  std::uint32_t frames_ = 0;
  UnixTime first_time_{};
  UnixTime last_time_{};
};

/// Makes whole blocks out of buffers. One thread; about 1 MiB of zstd state.
class BlockEncoder {
 public:
  /// `level` is zstd's, 1 (fast) to 19. `block_bytes_ready`: zstd takes what blocks of that size need at once.
  explicit BlockEncoder(int level = 1, std::size_t block_bytes_ready = 0);
  ~BlockEncoder();
  BlockEncoder(const BlockEncoder&) = delete;
  BlockEncoder& operator=(const BlockEncoder&) = delete;

  /// What a block of so many plain bytes may take in a file, at most.
  static std::size_t block_bytes_max(std::size_t plain_bytes);

  /// Appends header and compressed payload of `buffer`, which must not be empty, to `file`. The buffer is not cleared.
  void encode(const BlockBuffer& buffer, std::string& file);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Reads the frames of one block. One thread.
class BlockDecoder {
 public:
  BlockDecoder();
  ~BlockDecoder();
  BlockDecoder(const BlockDecoder&) = delete;
  BlockDecoder& operator=(const BlockDecoder&) = delete;

  /// Decompresses the payload that belongs to `header`. Fails (malformed) where checksum or size is wrong.
  Result<> open(const BlockHeader& header, std::string_view compressed);

  /// The next frame, valid until the next open(); false after the last one. Fails where the content makes no sense,
  /// which after a right checksum can only be a tape of another program.
  Result<bool> next(Frame& frame);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace marketprism::tape
