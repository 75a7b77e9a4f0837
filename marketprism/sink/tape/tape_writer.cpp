#include "marketprism/sink/tape/tape_writer.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <pthread.h>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "marketprism/sink/part_file.hpp"
#include "marketprism/tape/block.hpp"

namespace marketprism::sink {

namespace {

constexpr std::size_t usual_frame_bytes_max = 64UL << 10;
constexpr std::size_t kept_capacity_max = 4UL << 20;  // a block that grew beyond this is not used again

/// A block is full when its last frame made it so.
std::size_t room_for(const TapeWriterOptions& options) { return options.block_bytes_max + usual_frame_bytes_max; }

Instant clock_now() { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::steady_clock::now()); }

}  // namespace

struct TapePort::State {
  State(Wake& wake, const TapeWriterOptions& options)
      : blocks(wake, options.blocks_max, options.when_full,
               {.ready = options.blocks_ready,
                .make = [bytes = room_for(options)] { return std::make_unique<tape::BlockBuffer>(bytes); }}),
        block_bytes_max(options.block_bytes_max) {}

  HandOver<tape::BlockBuffer> blocks;
  std::size_t block_bytes_max;
  /// Marks where frames are missing.
  void mark_hole(tape::BlockBuffer& block, std::string_view exchange) {
    if (frames_missing == 0) return;
    const std::string count = std::to_string(std::exchange(frames_missing, 0));
    block.append({.receive_time = missing_since,
                  .exchange = exchange,
                  .kind = tape::FrameKind::hole,
                  .url = {},
                  .payload = count});
  }

  std::int64_t day = 0;              // of the last frame, by the producer
  std::uint64_t frames_missing = 0;  // since the last one that was taken, by the producer
  UnixTime missing_since = no_time;
  std::atomic<std::uint64_t> dropped_frames = 0;
  std::atomic<std::uint64_t> dropped_bytes = 0;
};

TapePort::TapePort() = default;
TapePort::~TapePort() = default;

void TapePort::append(const tape::Frame& frame) {
  const std::int64_t day = std::chrono::floor<std::chrono::days>(frame.receive_time).time_since_epoch().count();
  if (day != std::exchange(state_->day, day)) state_->blocks.flush();  // a block is of one date, as its file is
  const bool is_taken = state_->blocks.put([&](tape::BlockBuffer& block) {
    state_->mark_hole(block, frame.exchange);
    block.append(frame);
    return block.bytes().size() >= state_->block_bytes_max;
  });
  if (is_taken) return;
  if (state_->frames_missing++ == 0) state_->missing_since = frame.receive_time;
  state_->dropped_frames.fetch_add(1, std::memory_order_relaxed);
  state_->dropped_bytes.fetch_add(frame.payload.size(), std::memory_order_relaxed);
}

struct TapeWriter::State {
  struct Venue {
    Venue(const TapeWriterOptions& options, std::string_view name) : exchange(name), folder(options.files, exchange) {}
    std::string exchange;
    TapeFolder folder;
    std::vector<std::unique_ptr<TapePort>> ports;
    std::unique_ptr<tape::BlockBuffer> pending;  // a block that could not be written, to be tried again
    TapePort* pending_port = nullptr;
    Instant retry_at{};
    std::uint64_t files = 0;  // counted in stats already
  };
  struct Turn {
    Venue* venue;
    TapePort* port;
  };

  explicit State(TapeWriterOptions given)
      : options(std::move(given)), encoder(options.compression_level, room_for(options)) {
    encoded.resize(tape::BlockEncoder::block_bytes_max(room_for(options)));  // touched; cleared before it is used
  }

  void run_writer();
  void run_syncer();
  void drain(Venue& venue, TapePort& port, Instant now);
  bool write(Venue& venue, TapePort& port, std::unique_ptr<tape::BlockBuffer> block, Instant now);
  void sync_files();
  void note_state(bool& is_failing, const Result<>& result);

  TapeWriterOptions options;
  tape::BlockEncoder encoder;  // of the writer thread
  std::string encoded;
  Wake wake;
  std::atomic<bool> is_closing = false;
  bool is_closed = false;

  mutable std::mutex mutex;  // guards what follows
  std::vector<std::unique_ptr<Venue>> venues;
  std::vector<std::shared_ptr<TapeFile>> to_sync;
  TapeStats stats;
  bool is_write_failing = false;
  bool is_sync_failing = false;
  std::optional<Error> last_error;

  Wake sync_wake;
  std::thread writer;
  std::thread syncer;
};

/// Called without the lock. Tells `on_state` when things begin to fail and when they work again.
void TapeWriter::State::note_state(bool& is_failing, const Result<>& result) {
  bool is_change = false;
  {
    const std::lock_guard lock(mutex);
    is_change = is_failing == result.has_value();
    is_failing = !result.has_value();
    stats.is_failing = is_write_failing || is_sync_failing;
    if (!result) last_error = result.error();
  }
  if (is_change && options.on_state) options.on_state(result);
}

bool TapeWriter::State::write(Venue& venue, TapePort& port, std::unique_ptr<tape::BlockBuffer> block, Instant now) {
  encoded.clear();
  encoder.encode(*block, encoded);
  const Result<> written = venue.folder.write(encoded, block->first_time(), now);
  {
    const std::lock_guard lock(mutex);
    if (written) {
      ++stats.blocks;
      stats.frames += block->frames();
      stats.plain_bytes += block->bytes().size();
      stats.written_bytes += encoded.size();
      stats.files += venue.folder.files_created() - std::exchange(venue.files, venue.folder.files_created());
      const std::shared_ptr<TapeFile>& file = venue.folder.file();
      if (std::ranges::find(to_sync, file) == to_sync.end()) to_sync.push_back(file);
    } else {
      ++stats.write_failures;
    }
  }
  note_state(is_write_failing, written);
  if (!written) {
    venue.pending = std::move(block);
    venue.pending_port = &port;
    venue.retry_at = now + options.retry_after;
    return false;
  }
  if (block->bytes().size() > kept_capacity_max) block = std::make_unique<tape::BlockBuffer>(room_for(options));
  block->clear();
  port.state_->blocks.give_back(std::move(block));
  return true;
}

void TapeWriter::State::drain(Venue& venue, TapePort& port, Instant now) {
  if (venue.pending) {
    if (now < venue.retry_at && !is_closing) return;
    if (!write(venue, *venue.pending_port, std::move(venue.pending), now)) return;
  }
  // No more than were there at the start: the other ports have their turn, too.
  for (std::size_t left = port.state_->blocks.waiting(); left > 0; --left) {
    std::unique_ptr<tape::BlockBuffer> block = port.state_->blocks.take();
    if (!block || !write(venue, port, std::move(block), now)) return;
  }
}

void TapeWriter::State::run_writer() {
  static_cast<void>(::pthread_setname_np(::pthread_self(), "tape"));
  std::vector<Turn> turns;
  for (;;) {
    wake.wait(options.block_age_max);
    const bool is_last = is_closing;
    turns.clear();
    {
      const std::lock_guard lock(mutex);
      for (const std::unique_ptr<Venue>& venue : venues) {
        for (const std::unique_ptr<TapePort>& port : venue->ports) turns.push_back({venue.get(), port.get()});
      }
    }
    for (const Turn& turn : turns) drain(*turn.venue, *turn.port, clock_now());
    if (is_last) return;
  }
}

void TapeWriter::State::sync_files() {
  std::vector<std::shared_ptr<TapeFile>> files;
  {
    const std::lock_guard lock(mutex);
    files = to_sync;
  }
  for (const std::shared_ptr<TapeFile>& file : files) {
    const Result<> synced = file->sync();
    if (!synced) {
      const std::lock_guard lock(mutex);
      ++stats.sync_failures;
    }
    note_state(is_sync_failing, synced);
  }
  files.clear();
  const std::lock_guard lock(mutex);
  // What only this list still holds has been left by the writer; it was synced above or will be, still dirty, next
  // time.
  std::erase_if(to_sync,
                [](const std::shared_ptr<TapeFile>& file) { return file.use_count() == 1 && file->is_synced(); });
}

void TapeWriter::State::run_syncer() {
  static_cast<void>(::pthread_setname_np(::pthread_self(), "tape-sync"));
  while (!is_closing) {
    sync_wake.wait(options.sync_every);
    if (!is_closing) sync_files();
  }
}

TapeWriter::TapeWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<TapeWriter>> TapeWriter::open(TapeWriterOptions options) {
  if (Result<> writable = check_writable(options.files.folder + "/tape"); !writable)
    return std::unexpected(writable.error());
  std::unique_ptr<TapeWriter> writer(new TapeWriter(std::make_unique<State>(std::move(options))));
  State& state = *writer->state_;
  state.writer = std::thread([&state] { state.run_writer(); });
  state.syncer = std::thread([&state] { state.run_syncer(); });
  return writer;
}

TapeWriter::~TapeWriter() { (void)close(); }

TapePort& TapeWriter::port(std::string_view exchange) {
  const std::lock_guard lock(state_->mutex);
  auto& venues = state_->venues;
  auto at = std::ranges::find(venues, exchange, [](const auto& venue) { return std::string_view(venue->exchange); });
  if (at == venues.end()) {
    venues.push_back(std::make_unique<State::Venue>(state_->options, exchange));
    at = venues.end() - 1;
  }
  std::unique_ptr<TapePort> port(new TapePort);
  port->state_ = std::make_unique<TapePort::State>(state_->wake, state_->options);
  (*at)->ports.push_back(std::move(port));
  return *(*at)->ports.back();
}

Result<> TapeWriter::close() {
  State& state = *state_;
  if (state.is_closed) return {};
  state.is_closed = true;
  for (const auto& venue : state.venues) {
    for (const auto& port : venue->ports) {
      TapePort::State& in = *port->state_;
      const auto mark = [&](tape::BlockBuffer& block) {
        in.mark_hole(block, venue->exchange);
        return true;
      };
      if (in.frames_missing > 0) static_cast<void>(in.blocks.put(mark));
      port->state_->blocks.close();
    }
  }
  state.is_closing = true;
  state.wake.notify();
  state.sync_wake.notify();
  if (state.writer.joinable()) state.writer.join();
  if (state.syncer.joinable()) state.syncer.join();
  state.sync_files();
  std::uint64_t lost = 0;
  for (const auto& venue : state.venues) {
    if (venue->pending) lost += venue->pending->frames();
    for (const auto& port : venue->ports) {
      while (const std::unique_ptr<tape::BlockBuffer> block = port->state_->blocks.take()) lost += block->frames();
    }
  }
  if (lost > 0) {
    return fail_because(state.last_error.value_or(Error{}),
                        fmt::format("{} frames could not be written to the tape", lost));
  }
  if (state.is_sync_failing)
    return fail_because(*state.last_error, "the tape is written, but perhaps not safe on the disk");
  return {};
}

TapeStats TapeWriter::stats() const {
  const std::lock_guard lock(state_->mutex);
  TapeStats stats = state_->stats;
  for (const auto& venue : state_->venues) {
    for (const auto& port : venue->ports) {
      stats.dropped_frames += port->state_->dropped_frames.load(std::memory_order_relaxed);
      stats.dropped_bytes += port->state_->dropped_bytes.load(std::memory_order_relaxed);
      stats.block_uses += port->state_->blocks.uses();
      stats.blocks_waiting += port->state_->blocks.waiting();
      stats.blocks_max += state_->options.blocks_max;
    }
  }
  return stats;
}

}  // namespace marketprism::sink
