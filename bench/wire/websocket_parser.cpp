// Messages a second through the parser, from reads of 64 to 256 KiB, the copy of a socket read included.
#include "marketprism/wire/websocket_parser.hpp"

#include <algorithm>
#include <cstring>

#include <benchmark/benchmark.h>

#include "marketprism/wire/websocket_writer.hpp"

namespace marketprism::wire {
namespace {

std::string payload_of(std::size_t size, bool is_ascii) {
  std::string text =
      R"({"e":"trade","E":1718000000123,"s":"BTCUSDT","t":3123456789,"p":"61234.50000000","q":"0.00123000","note":")";
  while (text.size() < size) text += is_ascii ? "abcdef" : "\xE5\xB8\x81";
  text.resize(size - (is_ascii ? 0 : (size - text.size()) % 3));
  while (!is_utf8(text)) text.pop_back();
  return text;
}

/// A stream of equal frames, read again and again in pieces of `read_bytes`.
void parse(benchmark::State& state, WebSocketParserOptions options, const std::string& payload,
           std::size_t read_bytes) {
  const bool is_client = options.role == WebSocketRole::client;
  WebSocketWriterOptions writer_options{.role = is_client ? WebSocketRole::server : WebSocketRole::client,
                                        .mask_key = [key = 1U]() mutable { return key *= 2654435761U; }};
  writer_options.deflate = options.deflate;
  WebSocketWriter writer(writer_options);
  std::string stream;
  while (stream.size() < 4 * read_bytes) {
    if (!writer.write_text(stream, payload)) return state.SkipWithError("writing failed");
    if (options.deflate && stream.size() > 64 * 1024) break;
  }
  options.read_bytes_start = options.read_bytes_max = read_bytes;
  WebSocketParser parser(options);
  std::size_t at = 0;
  std::int64_t messages = 0, bytes = 0;
  for (auto _ : state) {
    const auto room = parser.prepare();
    const std::size_t count = std::min(room.size(), stream.size() - at);
    std::memcpy(room.data(), stream.data() + at, count);
    at = at + count == stream.size() ? 0 : at + count;
    parser.commit(count);
    for (;;) {
      auto next = parser.next();
      if (!next) return state.SkipWithError("parsing failed");
      if (!*next) break;
      benchmark::DoNotOptimize((*next)->data.data());
      ++messages;
      bytes += static_cast<std::int64_t>((*next)->data.size());
    }
  }
  state.SetItemsProcessed(messages);
  state.SetBytesProcessed(bytes);
}

void text_from_server(benchmark::State& state) {
  parse(state, {}, payload_of(static_cast<std::size_t>(state.range(0)), true),
        static_cast<std::size_t>(state.range(1)) * 1024);
}
BENCHMARK(text_from_server)
    ->Args({200, 64})
    ->Args({200, 256})
    ->Args({1000, 256})
    ->Args({16000, 256})
    ->ArgNames({"bytes", "read_kib"});

void chinese_text_from_server(benchmark::State& state) {
  parse(state, {}, payload_of(static_cast<std::size_t>(state.range(0)), false), 256 * 1024);
}
BENCHMARK(chinese_text_from_server)->Arg(200)->Arg(2000);

void text_from_client(benchmark::State& state) {
  parse(state, {.role = WebSocketRole::server}, payload_of(static_cast<std::size_t>(state.range(0)), true), 256 * 1024);
}
BENCHMARK(text_from_client)->Arg(200)->Arg(2000);

void compressed_text_from_server(benchmark::State& state) {
  parse(state, {.deflate = DeflateParameters{.server_no_context_takeover = true}},
        payload_of(static_cast<std::size_t>(state.range(0)), true), 64 * 1024);
}
BENCHMARK(compressed_text_from_server)->Arg(200)->Arg(2000);

void write_as_server(benchmark::State& state) {
  WebSocketWriter writer({.role = WebSocketRole::server});
  const std::string payload = payload_of(200, true);
  std::string out;
  for (auto _ : state) {
    if (out.size() > 200'000) out.clear();
    benchmark::DoNotOptimize(writer.write_text(out, payload));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(write_as_server);

}  // namespace
}  // namespace marketprism::wire
