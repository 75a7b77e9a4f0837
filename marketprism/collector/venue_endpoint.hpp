#pragma once
#include <chrono>

#include <fmt/format.h>  // tidy-allow(heavy-header): only the sources of VenueCollector include this header

#include "marketprism/collector/venue_collector.hpp"
#include "marketprism/sink/tape/tape_writer.hpp"

namespace marketprism::collector {

inline UnixTime wall_clock() { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now()); }

inline pool::RateConfig rate_of(const exchange::Limit& limit) {
  return {static_cast<std::uint32_t>(limit.count),
          limit.per.count() > 0 ? Nanoseconds(limit.per) : Nanoseconds(std::chrono::seconds(1)), 0};
}

/// The pool of one of the venue's WebSocket URLs and what its connections say.
class VenueCollector::Endpoint final : public net::WebSocketStreamHandler {
 public:
  static Result<std::unique_ptr<Endpoint>> create(VenueCollector& owner, std::string_view name, const wire::Url& url);

  std::string_view name() const { return name_; }
  net::WebSocketConnectionPool& pool() { return *pool_; }
  const net::WebSocketConnectionPool& pool() const { return *pool_; }

  std::vector<std::string> greeting() override { return adapter().greeting(); }
  std::string subscribe_text(std::span<const std::string> streams, std::int64_t id) override {
    return adapter().subscribe_text(streams, id);
  }
  std::string unsubscribe_text(std::span<const std::string> streams, std::int64_t id) override {
    return adapter().unsubscribe_text(streams, id);
  }
  void on_open(std::uint32_t connection, const wire::Url& url) override {
    record(connection, {.kind = tape::FrameKind::connect, .url = url.to_string(), .payload = {}});
    if (log_level() == LogLevel::debug)
      owner_.report(fmt::format("connection {} to {} is open", connection, url.to_string()), LogLevel::debug);
  }
  void on_sent(std::uint32_t connection, std::string_view text) override {
    record(connection, {.direction = tape::Direction::sent, .kind = tape::FrameKind::text, .url = {}, .payload = text});
  }
  void on_message(std::uint32_t connection, const net::WebSocketReceived& message) override {
    owner_.on_frame(*this, connection, message);
  }
  void on_close(std::uint32_t connection, net::WebSocketCloseCode code, std::string_view reason, bool is_ours) override;
  void on_dial_failed(const Error& error) override {
    ++owner_.dials_failed_;
    owner_.last_error_ = error.to_string();
    owner_.report(owner_.last_error_ + "; it is tried again");
  }
  void on_stream_up(std::string_view name, std::uint32_t) override;
  void on_stream_end(std::string_view name, const std::optional<Error>& error) override;

 private:
  Endpoint(VenueCollector& owner, std::string_view name) : owner_(owner), name_(name) {}
  static net::WebSocketPoolOptions options_of(VenueCollector& owner, std::string_view name);

  exchange::Adapter& adapter() { return owner_.session_.adapter(); }
  void record(std::uint32_t connection, tape::Frame frame) {
    if (owner_.around_.tape == nullptr) return;
    if (frame.receive_time == UnixTime{}) frame.receive_time = wall_clock();
    frame.exchange = owner_.config_.name;
    frame.connection = connection;
    owner_.around_.tape->append(frame);
  }

  VenueCollector& owner_;
  std::optional<net::WebSocketConnectionPool> pool_;  // from `create` on
  std::string_view name_;                             // the facts'
};

}  // namespace marketprism::collector
