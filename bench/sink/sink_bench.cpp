#include <filesystem>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "marketprism/sink/event_batch.hpp"
#include "marketprism/sink/parquet/part_table.hpp"
#include "marketprism/sink/parquet/part_writer.hpp"

namespace {

using namespace marketprism;

/// A market in which prices walk and amounts vary, the same at every run.
class SampleMarket {
 public:
  market::Event next_book() {
    for (market::Level& level : levels_) {
      level.price = Decimal(6'180'000 + walk(50), -2);
      level.amount = walk(4) == 0 ? Decimal() : Decimal(walk(20'000), -3);
    }
    market::Event event = next();
    const std::span<const market::Level> levels(levels_);
    event.payload =
        market::Book{.sequence = 5123107839020 + number_++, .bids = levels.first(5), .asks = levels.last(5)};
    return event;
  }

  market::Event next_trade() {
    id_ = std::to_string(5266583935 + number_++);
    market::Event event = next();
    event.payload = market::Trade{.id = id_,
                                  .side = market::Side::sell,
                                  .price = Decimal(6'180'000 + walk(50), -2),
                                  .amount = Decimal(walk(20'000), -3)};
    return event;
  }

 private:
  market::Event next() {
    market::Event event;
    event.exchange = "binance";
    event.symbol = symbols_[static_cast<std::size_t>(walk(4))];
    event.receive_time = unix_time_ns(1723161255030314667 + number_ * 48'123);
    event.exchange_time = unix_time_ms(1723161256299 + number_ / 20);
    return event;
  }
  std::int64_t walk(std::int64_t limit) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::int64_t>((state_ >> 33) % static_cast<std::uint64_t>(limit));
  }

  static constexpr std::string_view symbols_[] = {"BTCUSDT", "ETHUSDT", "SOLUSDT", "BTC-24SEP21-8000-P"};
  std::vector<market::Level> levels_ = std::vector<market::Level>(10);
  std::string id_;
  std::int64_t number_ = 0;
  std::uint64_t state_ = 1;
};

/// What it costs an event loop to hand an event over, without the lock.
void batch_append(benchmark::State& state) {
  SampleMarket sample;
  const market::Event event = state.range(0) == 0 ? sample.next_trade() : sample.next_book();
  sink::EventBatch batch;
  for (auto _ : state) {
    batch.append(event);
    if (batch.bytes() >= 256 << 10) batch.clear();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(batch_append)->Arg(0)->Arg(1)->ArgName("book");

sink::PartTable table_of(bool is_book, bool is_exact, std::uint64_t rows) {
  SampleMarket sample;
  sink::PartTable table(is_book ? market::EventType::book : market::EventType::trade, is_exact);
  while (table.rows() < rows) table.append(is_book ? sample.next_book() : sample.next_trade());
  return table;
}

/// Events to rows in memory, on the sink's thread; includes making the events.
void part_append(benchmark::State& state) {
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  for (auto _ : state) {
    const sink::PartTable table = table_of(state.range(0) != 0, false, 200'000);
    rows += table.rows();
    bytes += table.bytes();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(rows));
  state.counters["bytes_per_row"] = static_cast<double>(bytes) / static_cast<double>(rows);
}
BENCHMARK(part_append)->Arg(0)->Arg(1)->ArgName("book")->Unit(benchmark::kMillisecond);

/// Rows in memory to a synced Parquet file.
void part_write(benchmark::State& state) {
  const sink::PartTable table = table_of(state.range(0) != 0, state.range(1) != 0, 600'000);
  const std::string folder = (std::filesystem::temp_directory_path() / "marketprism-sink-bench").string();
  auto writer = sink::PartWriter::open();
  if (!writer) return state.SkipWithError(writer.error().to_string().c_str());
  std::uint64_t bytes = 0;
  for (auto _ : state) {
    const auto part = (*writer)->write(table, folder);
    if (!part) return state.SkipWithError(part.error().to_string().c_str());
    bytes = part->bytes;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(table.rows()));
  state.counters["file_bytes_per_row"] = static_cast<double>(bytes) / static_cast<double>(table.rows());
  std::filesystem::remove_all(folder);
}
BENCHMARK(part_write)->ArgsProduct({{0, 1}, {0, 1}})->ArgNames({"book", "exact"})->Unit(benchmark::kMillisecond);

}  // namespace
