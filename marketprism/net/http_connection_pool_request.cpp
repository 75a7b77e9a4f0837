// The part of HttpConnectionPool that carries out requests.
#include <algorithm>
#include <string>
#include <utility>

#include "marketprism/net/http_connection_pool_state.hpp"
#include "marketprism/net/http_redirect.hpp"

namespace marketprism::net {
namespace {

bool is_lost(ErrorCode code) {
  return code == ErrorCode::connection_reset || code == ErrorCode::connection_closed || code == ErrorCode::io_failed;
}
bool is_slow_or_garbled(ErrorCode code) {
  return code == ErrorCode::timed_out || code == ErrorCode::malformed || code == ErrorCode::tls_failed;
}

// A request is worth another try when nothing of it was written, unless somebody gave it up. Else when it may be
// carried out twice and the connection just ended. A slow or garbled answer would be slow or garbled again from the
// same endpoint, but perhaps not from another.
bool is_worth_retrying(ErrorCode code, HttpProgress progress, bool is_idempotent, bool has_other_endpoint) {
  if (progress == HttpProgress::source_failed) return false;
  if (progress == HttpProgress::nothing_written) return code != ErrorCode::cancelled && code != ErrorCode::timed_out;
  return is_idempotent && (is_lost(code) || (is_slow_or_garbled(code) && has_other_endpoint));
}

// A kept connection that the server had closed says nothing about the server.
bool is_endpoints_failure(ErrorCode code, HttpProgress progress, bool is_kept) {
  if (progress == HttpProgress::source_failed) return false;
  if (is_slow_or_garbled(code)) return progress != HttpProgress::nothing_written;
  const bool was_closed_before = is_kept && progress != HttpProgress::response_begun;
  return is_lost(code) && !was_closed_before;
}

// No connection could be had, and not for want of a free one.
bool is_unreachable(ErrorCode code, const pool::PoolGauges& gauges) {
  switch (code) {
    case ErrorCode::timed_out: return gauges.connecting > 0 && gauges.connecting == gauges.size;
    case ErrorCode::not_found:
    case ErrorCode::permission_denied:
    case ErrorCode::connection_refused:
    case ErrorCode::rejected: return true;
    default: return is_lost(code) || is_slow_or_garbled(code);
  }
}

// A redirect that sends the body again needs it from its beginning.
Result<> rewind_for(const HttpRequest& request, const wire::Url& from, const wire::Url& to) {
  if (request.body_source == nullptr) return {};
  auto rewound = request.body_source->rewind();
  if (rewound) return rewound;
  return fail_because(std::move(rewound.error()),
                      from.to_string() + ": redirected to " + to.to_string() + ", where the body has to be sent again");
}

}  // namespace

// A server that announces when it closes idle connections is left before that.
void HttpConnectionPool::State::learn(Host& host, HttpLease& lease) const {
  const auto hint = (*lease)->keep_alive_hint();
  if (hint.count() == 0) return;
  const std::uint32_t endpoint = lease.endpoint();
  if (host.hints.size() <= endpoint) host.hints.resize(endpoint + 1);
  if (hint == host.hints[endpoint]) return;
  host.hints[endpoint] = hint;
  host.pool.core().set_keep_alive_hint(endpoint, hint);
}

// Errors name where the connection leads; by a proxy that is not whom the request is for.
std::unexpected<Error> HttpConnectionPool::State::told(const Host& host, const wire::Url& url, Error error) {
  if (host.proxy == nullptr) return std::unexpected(std::move(error));
  return fail_because(std::move(error), url.host_and_port() + ": by the proxy " + host.proxy->name());
}

// One coroutine from the host to the response: each one more costs a request a percent of its time.
Task<Result<PooledResponse>> HttpConnectionPool::State::request(std::shared_ptr<State> self, const wire::Url& url,
                                                                Prepared prepared, std::source_location where) {
  ++self->counters.requests;
  const auto found = self->host_for(url);
  if (!found) {
    ++self->counters.failed;
    co_return std::unexpected(found.error());
  }
  Host& host = **found;
  const InProgress in_progress(*self, host);
  const Nanoseconds timeout = prepared.timeout.count() > 0 ? prepared.timeout : self->options.config.total_timeout;
  const Instant deadline = detail::deadline_after(self->loop.now(), timeout);
  const HttpConnection::SendOptions send_options{.deadline = deadline,
                                                 .is_head = prepared.is_head,
                                                 .is_streamed = prepared.is_streamed,
                                                 .body_bytes_max = prepared.body_bytes_max,
                                                 .body = prepared.body_source};
  BreakerCall call(*self, host);
  if (!call.begin()) [[unlikely]]
    co_return self->refused_by_breaker(host);
  RetryPlace place(*self);
  unsigned failures = 0;
  for (unsigned attempt = 0;; ++attempt) {
    Result<HttpLease> lease = host.pool.try_acquire(where);
    if (!*lease) lease = co_await host.pool.acquire(deadline - self->loop.now(), where);
    if (!lease) {
      ++self->counters.failed;
      if (is_unreachable(lease.error().code, host.pool.gauges())) call.failed(lease.error());
      co_return told(host, url, std::move(lease.error()));
    }
    HttpConnection& connection = ***lease;
    if (host.proxy != nullptr) [[unlikely]]
      connection.forward_to(url, host.proxy_credentials);
    auto response = co_await connection.send(prepared.text, send_options);
    place.give_back();
    if (response) {
      host.pool.core().report_success(lease->endpoint(), self->loop.now());
      self->learn(host, *lease);
      ++self->counters.succeeded;
      call.answered((*response)->status());
      co_return PooledResponse(std::move(*lease), **response);
    }
    const ErrorCode code = response.error().code;
    const HttpProgress progress = connection.progress();
    const bool has_read_source = connection.has_read_source();
    bool has_other = false;
    // Tries on kept connections that were dead do not count: there are only so many of them, and then comes a new one.
    const bool is_endpoints = is_endpoints_failure(code, progress, lease->use_count() > 1);
    if (is_endpoints) {
      pool::LeasePool& core = host.pool.core();
      ++failures;
      has_other = core.report_failure(lease->endpoint(), self->loop.now()) && failures < core.endpoints().present();
    }
    lease->mark_broken();
    lease->release();
    const bool is_worth_it = is_worth_retrying(code, progress, prepared.is_idempotent, has_other);
    const bool is_last = failures > self->options.config.connections.retry_attempts ||
                         attempt > self->options.config.connections.retry_attempts + self->options.config.per_host();
    bool goes_on = is_worth_it && !is_last && (!has_read_source || prepared.body_source->rewind());
    if (goes_on) goes_on = co_await may_retry(self, place, deadline);
    if (!goes_on) {
      ++self->counters.failed;
      if (is_endpoints) call.failed(response.error());
      co_return told(host, url, std::move(response.error()));
    }
    ++self->counters.retried;
  }
}

Task<Result<PooledResponse>> HttpConnectionPool::State::get(std::shared_ptr<State> self, std::string url,
                                                            HttpRequestOptions options, std::source_location where) {
  auto parsed = wire::parse_url(url);
  if (!parsed) co_return std::unexpected(std::move(parsed.error()));
  HttpRequest request;
  co_return co_await request_whole(std::move(self), std::move(*parsed), std::move(request), options, false, where);
}

// Makes the text of a request, and follows redirects.
Task<Result<PooledResponse>> HttpConnectionPool::State::request_whole(std::shared_ptr<State> self, wire::Url url,
                                                                      HttpRequest request, HttpRequestOptions options,
                                                                      bool is_streamed, std::source_location where) {
  const Nanoseconds timeout = options.timeout.count() > 0 ? options.timeout : self->options.config.total_timeout;
  const Instant deadline = detail::deadline_after(self->loop.now(), timeout);
  for (unsigned redirects = 0;; ++redirects) {
    request.target = url.target();
    const auto text = make_http_request(url.host_header(), request);
    if (!text) co_return std::unexpected(text.error());
    Prepared prepared = prepare(*text, request, options);
    prepared.is_streamed = is_streamed;
    prepared.body_bytes_max = options.body_bytes_max;
    prepared.timeout = std::max(deadline - self->loop.now(), Nanoseconds(1));
    auto response = co_await State::request(self, url, prepared, where);
    if (!response || options.redirects_max == 0) co_return response;
    const wire::Url from = url;
    const auto is_redirected = take_redirect((*response)->head, url, request);
    if (!is_redirected) co_return std::unexpected(is_redirected.error());
    if (!*is_redirected) co_return response;
    if (auto ready = rewind_for(request, from, url); !ready) co_return std::unexpected(std::move(ready.error()));
    if (redirects == options.redirects_max) {
      co_return fail(ErrorCode::too_large,
                     from.to_string() + ": redirected again, to " + url.to_string() +
                         ", after as many times as redirects_max allows: " + std::to_string(redirects));
    }
  }
}

// Takes a place in the retry budget; over it, retries wait in line until the deadline.
Task<bool> HttpConnectionPool::State::may_retry(std::shared_ptr<State> self, RetryPlace& place, Instant deadline) {
  if (self->waiting_retries.empty() && self->budget.try_take(self->active)) {
    place.is_taken = true;
    co_return true;
  }
  ++self->counters.retries_delayed;
  WaitingRetry waiting(*self, place);
  co_await waiting.turn.wait(deadline);
  co_return place.is_taken;
}

void HttpConnectionPool::State::RetryPlace::give_back() {
  if (!std::exchange(is_taken, false)) return;
  state.budget.give_back();
  state.wake_retries();
}

void HttpConnectionPool::State::wake_retries() {
  if (loop.is_ending()) return;
  while (!waiting_retries.empty() && budget.in_flight() < budget.limit(active) && budget.try_take(active)) {
    WaitingRetry* const next = waiting_retries.front();
    waiting_retries.pop_front();
    next->place.is_taken = true;
    next->turn.set();
  }
}

}  // namespace marketprism::net
