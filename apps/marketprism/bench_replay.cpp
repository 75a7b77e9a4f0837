#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <ctime>

#include <fmt/format.h>

#include "apps/marketprism/bench_tools.hpp"
#include "apps/marketprism/event_output.hpp"
#include "apps/marketprism/verbs.hpp"
#include "marketprism/collector/replay.hpp"
#include "marketprism/exchange/registry.hpp"
#include "marketprism/memory/allocation_counter.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  std::string exchange;
  std::vector<std::string> paths;
  int passes = 5;
  bool json = false;
};

/// Frames in memory, so that a pass measures decoding and books, not files.
class FrameStore {
 public:
  void add(const tape::Frame& frame) {
    tape::Frame& kept = frames_.emplace_back(frame);
    kept.exchange = keep(frame.exchange);
    kept.url = keep(frame.url);
    kept.symbol_hint = keep(frame.symbol_hint);
    kept.payload = keep(frame.payload);
  }
  const std::vector<tape::Frame>& frames() const { return frames_; }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const tape::Frame& frame : frames_) sum += frame.payload.size();
    return sum;
  }
  /// The frames of trade streams alone.
  FrameStore trades() const {
    FrameStore result;
    for (const tape::Frame& frame : frames_) {
      const std::string_view head = frame.payload.substr(0, 80);
      if (head.find("@trade\"") != head.npos || head.find("@aggTrade\"") != head.npos) result.add(frame);
    }
    return result;
  }

 private:
  std::string_view keep(std::string_view text) {
    if (text.empty()) return {};
    if (text == last_) return last_;  // names repeat
    return last_ = *texts_.emplace_back(std::make_unique<std::string>(text));
  }
  std::vector<tape::Frame> frames_;
  std::vector<std::unique_ptr<std::string>> texts_;
  std::string_view last_;
};

/// Touches each event so that none of the work can be left out.
class CountingSink final : public market::EventSink {
 public:
  void on_event(const market::Event& event) override {
    ++events;
    folded += static_cast<std::uint64_t>(event.payload.index()) + event.symbol.size();
    if (const auto* trade = std::get_if<market::Trade>(&event.payload))
      folded += static_cast<std::uint64_t>(trade->price.mantissa());
    if (const auto* book = std::get_if<market::Book>(&event.payload)) folded += book->bids.size() + book->asks.size();
  }
  std::uint64_t events = 0;
  std::uint64_t folded = 0;
};

struct Pass {
  double messages_per_s = 0;
  double allocations_per_message = 0;  // in the second half: the first one warms up
  std::uint64_t events = 0;
};

/// CPU time of this thread, so that a neighbour on the machine does not count. On a quiet machine it is the wall's
/// time.
double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

Pass run_pass(const FrameStore& store, const std::string& exchange) {
  CountingSink sink;
  collector::FrameRouter router(exchange, sink);
  const auto& frames = store.frames();
  const std::size_t half = frames.size() / 2;
  const double start = thread_seconds();
  for (std::size_t i = 0; i < half; ++i) router.on_frame(frames[i]);
  const memory::AllocationCounter allocations;
  for (std::size_t i = half; i < frames.size(); ++i) router.on_frame(frames[i]);
  const std::uint64_t allocated = allocations.count();
  const double seconds = thread_seconds() - start;
  return {static_cast<double>(frames.size()) / seconds,
          static_cast<double>(allocated) / static_cast<double>(frames.size() - half), sink.events};
}

Pass median_of(const FrameStore& store, const std::string& exchange, int passes) {
  std::vector<Pass> all;
  for (int i = 0; i < passes; ++i) all.push_back(run_pass(store, exchange));
  std::ranges::sort(all, {}, &Pass::messages_per_s);
  return all[all.size() / 2];
}

Result<FrameStore> load(const Arguments& arguments) {
  std::vector<std::string> paths = arguments.paths;
  if (paths.empty()) {
    const char* root = std::getenv("MARKETPRISM_RECORDINGS");
    paths.push_back(std::string(root != nullptr ? root : "../shared/recordings") + "/tapes");
  }
  auto files = sink::recording_files(paths);
  if (!files) return std::unexpected(files.error());
  const auto exchange_of = [&](const std::string& path) {
    return arguments.exchange.empty() ? std::string(exchange::exchange_in_path(path)) : std::string();
  };
  sink::FrameMerge merge(std::move(*files), {.exchange_of = exchange_of, .connection = 1});
  if (auto opened = merge.open(); !opened) return std::unexpected(opened.error());
  FrameStore store;
  for (tape::Frame frame; merge.next(frame);) store.add(frame);
  if (store.frames().empty()) return fail(ErrorCode::not_found, "the recordings hold no frames");
  return store;
}

unsigned long crc_of(const FrameStore& store, const std::string& exchange) {
  CrcOutput crc;
  collector::FrameRouter router(exchange, crc);
  for (const tape::Frame& frame : store.frames()) router.on_frame(frame);
  return crc.value();
}

int run(const Arguments& arguments) {
  const auto store = load(arguments);
  if (!store) {
    complain(store.error().to_string());
    return exit_failure;
  }
  const FrameStore trades = store->trades();
  run_pass(*store, arguments.exchange);  // warms caches and clocks
  const Pass mixed = median_of(*store, arguments.exchange, arguments.passes);
  const Pass trade = trades.frames().empty() ? Pass{} : median_of(trades, arguments.exchange, arguments.passes);
  const unsigned long crc = crc_of(*store, arguments.exchange);
  if (arguments.json) {
    const auto print = [](std::string_view name, const auto& value, std::string_view unit) {
      fmt::print(R"({{"name":"{}","value":{},"unit":"{}"}})"
                 "\n",
                 name, value, unit);
    };
    print("replay_mixed_messages_per_s", fmt::format("{:.0f}", mixed.messages_per_s), "1/s");
    print("replay_trades_messages_per_s", fmt::format("{:.0f}", trade.messages_per_s), "1/s");
    print("replay_allocations_per_message", fmt::format("{:.6f}", mixed.allocations_per_message), "1");
    print("replay_events_crc32", fmt::format("\"{:08x}\"", crc), "crc32");
    return exit_success;
  }
  fmt::print("{} messages, {:.1f} MB, median of {} passes, per second of one core's time, no sink\n",
             store->frames().size(), static_cast<double>(store->bytes()) / 1e6, arguments.passes);
  fmt::print("mixed                {:>12.0f} messages/s\n", mixed.messages_per_s);
  fmt::print("trades alone         {:>12.0f} messages/s ({} messages)\n", trade.messages_per_s, trades.frames().size());
  fmt::print("allocations          {:>12.6f} per message, second half of a pass\n", mixed.allocations_per_message);
  fmt::print("events               {:>12} a pass, CRC-32 {:08x}\n", mixed.events, crc);
  return exit_success;
}

}  // namespace

void add_bench_replay(CLI::App& bench, Action& action) {
  auto* verb = bench.add_subcommand("replay", "Decoding, books and events of recordings, in memory, on one core");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("-e,--exchange", arguments->exchange, "Exchange of recordings that do not name it");
  add_pass_options(*verb, arguments->passes, arguments->json);
  verb->add_option("PATHS", arguments->paths, "Files and folders; default the four tapes in $MARKETPRISM_RECORDINGS");
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism bench replay --json");
}

}  // namespace marketprism::app
