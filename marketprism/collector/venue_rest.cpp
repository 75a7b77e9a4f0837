// What a venue's collector does over REST: book snapshots as they are needed, and channels that no stream brings.
#include <fmt/format.h>

#include "marketprism/collector/venue_endpoint.hpp"

namespace marketprism::collector {

using exchange::BookRule;

void VenueCollector::want_snapshot(std::string_view symbol) {
  if (*is_stopping_ || !book_streams_.contains(std::string(symbol))) return;
  snapshots_.want(symbol, around_.loop.now());
  around_.loop.timers().arm(snapshot_timer_, around_.loop.now());  // not from within the decoding of a frame
}

void VenueCollector::serve_snapshots() {
  if (*is_stopping_) return;
  const Instant now = around_.loop.now();
  while (auto symbol = snapshots_.next(now)) {
    if (session_.book(*symbol) != nullptr) {
      snapshots_.finished(*symbol, true, now);
    } else if (session_.adapter().facts().book.snapshot == BookRule::Snapshot::rest) {
      around_.loop.spawn(fetch_snapshot(*symbol));
    } else {
      resubscribe_book(*symbol);
      snapshots_.finished(*symbol, false, now);  // looked at again later: done if the book is there by then
    }
  }
  if (const Instant wake = snapshots_.wake_at(); wake != Instant::max())
    around_.loop.timers().arm(snapshot_timer_, wake);
}

void VenueCollector::resubscribe_book(const std::string& symbol) {
  const auto name = book_streams_.find(symbol);
  if (name == book_streams_.end()) return;
  const auto stream = streams_.find(name->second);
  if (stream != streams_.end()) endpoints_[stream->second.endpoint]->pool().resubscribe(stream->first);
}

async::Task<> VenueCollector::fetch_snapshot(std::string symbol) {
  const auto is_stopping = is_stopping_;
  const int depth = config_.snapshot_depth > 0 ? config_.snapshot_depth : session_.adapter().facts().snapshot_depth;
  const exchange::RestRequest request = session_.adapter().snapshot_request(symbol, depth);
  const auto answer = co_await rest_->get(request.target, request.weight);
  if (*is_stopping) co_return;
  if (answer) on_rest(request.target, *answer);
  if (!answer || answer->status != 200) {
    ++rest_failures_;
    last_error_ =
        answer ? session_.adapter().rest_error(answer->status, answer->body).to_string() : answer.error().to_string();
    report(fmt::format("no snapshot of {}: {}; it will be asked for again", symbol, last_error_));
  }
  if (log_level() == LogLevel::debug)
    report(
        fmt::format("snapshot of {}: the book is {}", symbol, session_.book(symbol) != nullptr ? "live" : "not live"),
        LogLevel::debug);
  snapshots_.finished(symbol, session_.book(symbol) != nullptr, around_.loop.now());
  serve_snapshots();
}

async::Task<> VenueCollector::poll(exchange::RestRequest request) {
  const auto is_stopping = is_stopping_;
  const Nanoseconds interval = config_.poll_interval.count() > 0
                                   ? Nanoseconds(config_.poll_interval)
                                   : Nanoseconds(session_.adapter().facts().poll_interval);
  while (!*is_stopping && polls_.contains(request.target)) {
    const auto answer = co_await rest_->get(request.target, request.weight);
    if (*is_stopping) co_return;
    if (answer) on_rest(request.target, *answer);
    if (!answer || answer->status != 200) {
      ++rest_failures_;
      last_error_ =
          answer ? session_.adapter().rest_error(answer->status, answer->body).to_string() : answer.error().to_string();
    }
    co_await around_.loop.sleep_for(interval);
  }
  if (!*is_stopping) polling_.erase(request.target);
}

}  // namespace marketprism::collector
