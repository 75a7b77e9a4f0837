#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "marketprism/tape/block.hpp"
#include "marketprism/tape/importer.hpp"

namespace {

using namespace marketprism;

/// Frames as a book ticker stream has them: 150 bytes, changing numbers.
std::vector<std::string> payloads(std::size_t count) {
  std::vector<std::string> texts;
  std::uint64_t number = 1;
  for (std::size_t i = 0; i < count; ++i) {
    number = number * 6364136223846793005U + 1442695040888963407U;
    texts.push_back("{\"stream\":\"btcusdt@bookTicker\",\"data\":{\"u\":" + std::to_string(5123107839020 + i) +
                    ",\"s\":\"BTCUSDT\",\"b\":\"618" + std::to_string(number >> 57) + ".20\",\"B\":\"2." +
                    std::to_string(number >> 50) + "\",\"a\":\"61800.30\",\"A\":\"2.510\"}}");
  }
  return texts;
}

void append_all(const std::vector<std::string>& texts, tape::BlockBuffer& buffer) {
  std::int64_t ns = 1723161255030314667;
  for (const std::string& text : texts) {
    buffer.append(
        {.receive_time = unix_time_ns(ns += 48'123), .exchange = "binance", .connection = 1, .payload = text});
  }
}

/// What it costs an event loop to hand a frame over, without the lock.
void tape_append(benchmark::State& state) {
  const std::vector<std::string> texts = payloads(1500);
  tape::BlockBuffer buffer;
  for (auto _ : state) {
    buffer.clear();
    append_all(texts, buffer);
    benchmark::DoNotOptimize(buffer.bytes().data());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(texts.size()));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(buffer.bytes().size()));
}
BENCHMARK(tape_append);

/// Compression on the tape's thread. Bytes are those of the frames.
void tape_encode(benchmark::State& state) {
  const std::vector<std::string> texts = payloads(static_cast<std::size_t>(state.range(0)));
  tape::BlockBuffer buffer;
  append_all(texts, buffer);
  tape::BlockEncoder encoder;
  std::string file;
  for (auto _ : state) {
    file.clear();
    encoder.encode(buffer, file);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(texts.size()));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(buffer.bytes().size()));
  state.counters["ratio"] = static_cast<double>(buffer.bytes().size()) / static_cast<double>(file.size());
}
BENCHMARK(tape_encode)->Arg(20)->Arg(200)->Arg(1500);

void import_all(benchmark::State& state, tape::Format format, const std::string& content) {
  std::size_t count = 0;
  for (auto _ : state) {
    const std::unique_ptr<tape::Importer> importer = tape::make_importer(format, {});
    importer->feed(content);
    importer->finish();
    tape::Frame frame;
    while (importer->next(frame)) {
      benchmark::DoNotOptimize(frame.payload.data());
      ++count;
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(count));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(content.size()));
}

void tape_decode(benchmark::State& state) {
  std::string file = tape::encode_file_header({});
  tape::BlockEncoder encoder;
  for (int i = 0; i < 20; ++i) {
    tape::BlockBuffer buffer;
    append_all(payloads(1500), buffer);
    encoder.encode(buffer, file);
  }
  import_all(state, tape::Format::tape, file);
}
BENCHMARK(tape_decode);

void lines_import(benchmark::State& state) {
  std::string content;
  for (const std::string& text : payloads(20'000)) content += "1723161255030314667 " + text + "\n";
  import_all(state, tape::Format::lines, content);
}
BENCHMARK(lines_import);

void cryptofeed_import(benchmark::State& state) {
  std::string content;
  for (const std::string& text : payloads(20'000)) content += "1633998512.0633569: " + text + "\n";
  import_all(state, tape::Format::cryptofeed, content);
}
BENCHMARK(cryptofeed_import);

}  // namespace
