#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/sink/hand_over.hpp"
#include "marketprism/sink/tape/tape_file.hpp"
#include "marketprism/tape/frame.hpp"

namespace marketprism::sink {

struct TapeWriterOptions {
  TapeFolderOptions files;
  std::chrono::milliseconds block_age_max{
      10};  ///< the thread takes what there is this often; in the kernel well before 20 ms
  std::size_t block_bytes_max = 256UL << 10;
  /// Blocks a port may have waiting (16 MiB of frames, 20 MiB taken); beyond that its new frames are dropped, counted.
  std::size_t blocks_max = 64;
  std::size_t blocks_ready = 8;  ///< of these, made at the start with all their memory (2.5 MiB)
  WhenFull when_full = WhenFull::drop;
  std::chrono::milliseconds sync_every{1000};
  std::chrono::milliseconds retry_after{1000};  ///< after a failed write
  int compression_level = 1;
  /// Called on the writer's threads when writing or syncing begins to fail (with the reason) and when it works again.
  std::function<void(const Result<>& state)> on_state;
};

struct TapeStats {
  std::uint64_t frames = 0;  ///< written
  std::uint64_t blocks = 0;
  std::uint64_t plain_bytes = 0;    ///< frames before compression
  std::uint64_t written_bytes = 0;  ///< in the files, without their headers
  std::uint64_t files = 0;
  std::uint64_t dropped_frames = 0;  ///< "tape_overflow": no free block, because the disk is full, failing or too slow
  std::uint64_t dropped_bytes = 0;   ///< payloads of those
  std::uint64_t write_failures = 0;
  std::uint64_t sync_failures = 0;
  BufferUses block_uses;           ///< memory of blocks: filled, and allocated for it
  std::size_t blocks_waiting = 0;  ///< for the writer's thread, now
  std::size_t blocks_max = 0;      ///< how many may
  bool is_failing = false;
};

class TapePort;

/// Writes the raw traffic of venues to `.mptape` files on a thread of its own; another thread syncs them to the disk,
/// so that a slow fsync delays no write. Event loops hand frames over through ports and never wait. When the disk is
/// full, blocks are kept and tried again; what was written stays readable.
class TapeWriter {
 public:
  /// Fails where the folder cannot be made or written to.
  static Result<std::unique_ptr<TapeWriter>> open(TapeWriterOptions options);

  /// Closes, if close() has not.
  ~TapeWriter();
  TapeWriter(const TapeWriter&) = delete;
  TapeWriter& operator=(const TapeWriter&) = delete;

  /// A new way in for one thread and one venue; lives as long as the writer. All ports of a venue write to the same
  /// files; order is kept within a port. Not to be called while frames come in on other threads.
  TapePort& port(std::string_view exchange);

  /// Writes and syncs what was handed over and ends the threads; nobody appends any more. Fails if something of it
  /// could not be written. The ports refuse frames from now on.
  Result<> close();

  /// Any thread.
  [[nodiscard]] TapeStats stats() const;

 private:
  struct State;
  explicit TapeWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// One thread's way into the tape of one venue. Owned by the writer.
class TapePort {
 public:
  /// Copies the frame into the block that is being filled. A frame for which there is no room is dropped and counted;
  /// the next one that is taken has a frame of kind `hole` before it.
  void append(const tape::Frame& frame);

 private:
  friend class TapeWriter;
  struct State;
  TapePort();

 public:
  ~TapePort();

 private:
  std::unique_ptr<State> state_;
};

}  // namespace marketprism::sink
