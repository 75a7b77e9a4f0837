#include "marketprism/collector/replay.hpp"

#include "marketprism/exchange/registry.hpp"

namespace marketprism::collector {

using tape::Direction;
using tape::FrameKind;

Result<> FrameRouter::prepare(std::string_view exchange) {
  if (sessions_.contains(exchange)) return {};
  auto adapter = exchange::make_adapter(exchange);
  if (!adapter) return std::unexpected(adapter.error());
  sessions_.emplace(exchange, std::make_unique<feed::Session>(std::move(*adapter), sink_, actions_));
  return {};
}

feed::Session* FrameRouter::session_of(std::string_view exchange) {
  if (exchange.empty()) exchange = exchange_;
  if (last_.second != nullptr && last_.first == exchange) return last_.second;
  if (!prepare(exchange)) return nullptr;
  last_ = {std::string(exchange), sessions_.find(exchange)->second.get()};
  return last_.second;
}

void FrameRouter::on_frame(const tape::Frame& frame) {
  ++frames_;
  feed::Session* session = session_of(frame.exchange);
  if (session == nullptr) {
    ++unknown_;
    return;
  }
  switch (frame.kind) {
    case FrameKind::text:
    case FrameKind::binary:
      if (frame.direction == Direction::received)
        session->on_frame(frame.connection, frame.payload, frame.receive_time);
      return;
    case FrameKind::http_response:
      session->on_rest(frame.url, frame.code == 0 ? 200 : frame.code, frame.payload, frame.receive_time,
                       frame.symbol_hint);
      return;
    case FrameKind::close:
      // What we closed ourselves had moved elsewhere before; what the venue or the network cut is lost.
      if (frame.direction == Direction::received) session->on_lost(frame.connection, frame.receive_time);
      return;
    case FrameKind::connect:
      // A recording may go on with a new connection under the number of the one before.
      session->on_lost(frame.connection, frame.receive_time);
      return;
    case FrameKind::hole: session->on_hole(frame.receive_time); return;
    case FrameKind::start: {
      const bool is_resumed = frame.payload == tape::resumed || session->stats().frames > 0;
      if (auto adapter = exchange::make_adapter(session->adapter().facts().name)) session->restart(std::move(*adapter));
      if (is_resumed) session->resume();
      return;
    }
  }
}

Result<ReplaySummary> replay(const ReplayOptions& options, market::EventSink& sink) {
  FrameRouter router(options.exchange, sink);
  if (!options.exchange.empty()) {
    if (auto prepared = router.prepare(options.exchange); !prepared) return std::unexpected(prepared.error());
  }
  auto files = sink::recording_files(options.paths);
  if (!files) return std::unexpected(files.error());
  const auto exchange_of = [&options](const std::string& path) {
    return options.exchange.empty() ? std::string(exchange::exchange_in_path(path)) : std::string();
  };
  sink::FrameMerge merge(
      std::move(*files),
      {.exchange_of = exchange_of, .connection = 1, .format = options.format, .on_problem = options.on_problem});
  if (auto opened = merge.open(); !opened) return std::unexpected(opened.error());
  for (tape::Frame frame; merge.next(frame);) {
    if (frame.exchange.empty() && options.exchange.empty()) {
      return fail(ErrorCode::invalid_argument,
                  "these recordings and their names do not say which exchange they are of: give --exchange", true);
    }
    router.on_frame(frame);
    if ((router.frames() & 0xffff) == 0 && options.on_progress) options.on_progress(router.frames());
  }
  ReplaySummary summary{router.frames(), merge.stats(), {}};
  for (const auto& [name, session] : router.sessions()) summary.venues.emplace_back(name, session->stats());
  return summary;
}

}  // namespace marketprism::collector
