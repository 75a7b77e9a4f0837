#include "marketprism/net/http_connection_pool.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "marketprism/base/log.hpp"
#include "marketprism/net/http_connection_pool_state.hpp"

namespace marketprism::net {
namespace {

constexpr std::size_t hosts_max_max = 100'000;
constexpr std::string_view forwarder_scheme = "proxy";  // no url that is asked for has it

bool is_idempotent_method(std::string_view method) {
  static constexpr std::string_view methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
  return std::find(std::begin(methods), std::end(methods), method) != std::end(methods);
}

std::unexpected<Error> refuse(const HttpPoolOptions& options, std::string_view what) {
  return fail(ErrorCode::invalid_argument, fmt::format("pool '{}': {}", options.config.connections.name, what), true);
}

// What `config` does not cover.
Result<> check_options(const HttpPoolOptions& options) {
  if (options.hosts_max == 0 || options.hosts_max > hosts_max_max) {
    return refuse(options, fmt::format("hosts_max {} is not within 1 and {}", options.hosts_max, hosts_max_max));
  }
  const HttpConnectionOptions& c = options.connection;
  using NamedSize = std::pair<std::string_view, std::size_t>;
  for (const auto& [option, size] :
       {NamedSize{"head_bytes_max", c.head_bytes_max}, NamedSize{"fields_max", c.fields_max},
        NamedSize{"body_bytes_max", c.body_bytes_max}, NamedSize{"stream_bytes", c.stream_bytes}}) {
    if (size == 0) return refuse(options, fmt::format("connection.{} is 0: no response could be taken", option));
  }
  using NamedTime = std::pair<std::string_view, Nanoseconds>;
  for (const auto& [option, time] :
       {NamedTime{"write_timeout", c.write_timeout}, NamedTime{"head_timeout", c.head_timeout},
        NamedTime{"read_timeout", c.read_timeout}}) {
    if (time.count() > 0) continue;
    return refuse(options, fmt::format("connection.{} must be longer than 0, not {} ns", option, time.count()));
  }
  if (options.route.attempt_delay.count() < 0) {
    return refuse(options, fmt::format("route.attempt_delay is negative ({} ns)", options.route.attempt_delay.count()));
  }
  return {};
}

Result<> check_scheme(const wire::Url& url) {
  if (url.scheme == "http" || url.scheme == "https") return {};
  return fail(ErrorCode::unsupported, fmt::format("{}: the scheme is not http or https", url.to_string()), true);
}

// Whether there is TLS is the url's word: what was meant for https never goes out in clear text.
Result<> take_tls_from(const wire::Url& url, std::vector<pool::Endpoint>& endpoints) {
  for (pool::Endpoint& endpoint : endpoints) {
    if (endpoint.is_tls && !url.is_secure()) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("{}: the endpoint {} asks for TLS, the url for none; write https", url.to_string(),
                              endpoint.name()),
                  true);
    }
    endpoint.is_tls = url.is_secure();
  }
  return {};
}

}  // namespace

// What the pool's options are for the connections to one host.
pool::PoolConfig HttpConnectionPool::State::host_config(bool is_warm) const {
  pool::PoolConfig config = options.config.connections;
  config.max_size = options.config.per_host();
  config.min_size = is_warm ? std::min(config.min_size, config.max_size) : 0;
  config.max_idle_time = std::min(config.max_idle_time, options.config.keep_alive);
  return config;
}

Result<HttpConnectionPool::State::Host*> HttpConnectionPool::State::add_host(const wire::Url& url,
                                                                             std::vector<pool::Endpoint> endpoints) {
  if (is_stopped) {
    return fail(ErrorCode::closed, fmt::format("pool '{}': it has been stopped", options.config.connections.name),
                true);
  }
  if (hosts.size() >= options.hosts_max && !remove_unused_host()) {
    return fail(ErrorCode::exhausted, fmt::format("pool '{}': {} hosts are in use, as many as hosts_max allows",
                                                  options.config.connections.name, hosts.size()));
  }
  pool::PoolConfig config = host_config(false);
  config.name += " " + name_of(url);
  ConnectRoute route = options.route;
  if (url.scheme == forwarder_scheme) route.proxies = nullptr;
  HttpConnector connector(loop, options.tls, options.connection, url.is_secure() ? url.host : std::string(),
                          std::move(route));
  connector.on_fault([pool = weak_from_this()](const Error& error) {
    if (const auto self = pool.lock()) self->note_fault(error);
  });
  auto made = Pool::create(loop, std::move(config), std::move(endpoints), std::move(connector));
  if (!made) return std::unexpected(std::move(made.error()));
  if (connect_budget != nullptr) made->use_connect_budget(*connect_budget);
  if (auto ok = made->use_ledger(permits); !ok) return std::unexpected(std::move(ok.error()));
  hosts.push_back(std::make_unique<Host>(url, std::move(*made)));
  hosts.back()->breaker.reset(breaker_config());
  return hosts.back().get();
}

Result<HttpConnectionPool::State::Host*> HttpConnectionPool::State::host_for(const wire::Url& url) {
  if (auto ok = check_scheme(url); !ok) return std::unexpected(std::move(ok.error()));
  Host* host = find_host(url);
  if (const Proxy* const proxy = host == nullptr ? forwarder_for(url) : nullptr) {
    auto forwarding = forwarding_host(*proxy);
    if (!forwarding) return forwarding;
    host = *forwarding;
  }
  if (host == nullptr) {
    std::vector<pool::Endpoint> endpoints{{url.host, url.port, url.is_secure(), "", 0, 1}};
    auto added = add_host(url, std::move(endpoints));
    if (!added) return std::unexpected(std::move(added.error()));
    host = *added;
  }
  if (!host->is_started) {
    host->is_started = true;
    host->pool.start();
  }
  return host;
}

void HttpConnectionPool::State::note_fault(const Error& error) {
  ++counters.faults;
  last_fault = error;
  log(LogLevel::warning, "http",
      fmt::format("pool '{}': {}; the connection is closed", options.config.connections.name, error.message));
}

// A proxy of HTTP forwards plain requests itself: it may allow tunnels to port 443 only.
const Proxy* HttpConnectionPool::State::forwarder_for(const wire::Url& url) const {
  if (url.is_secure()) return nullptr;
  const Proxy* const proxy = options.route.proxies->find(url.host, url.port, false);
  return proxy != nullptr && proxy->kind == Proxy::Kind::http ? proxy : nullptr;
}

// All plain requests that go by the proxy share its connections, whomever they are for.
Result<HttpConnectionPool::State::Host*> HttpConnectionPool::State::forwarding_host(const Proxy& proxy) {
  const auto known = std::find_if(hosts.begin(), hosts.end(), [&](const auto& host) { return host->proxy == &proxy; });
  if (known != hosts.end()) return known->get();
  wire::Url place;
  place.scheme = forwarder_scheme;
  place.host = proxy.host;
  place.port = proxy.port;
  place.is_ipv6 = proxy.host.find(':') != std::string::npos;
  std::vector<pool::Endpoint> endpoints{{proxy.host, proxy.port, false, "", 0, 1}};
  auto added = add_host(place, std::move(endpoints));
  if (!added) return added;
  (*added)->proxy = &proxy;
  (*added)->proxy_credentials = proxy.authorization();
  return added;
}

// Makes room for another host. What somebody set up stays: it could not be made again from a url.
bool HttpConnectionPool::State::remove_unused_host() {
  const auto unused = std::find_if(hosts.begin(), hosts.end(), [](const auto& host) {
    const pool::PoolGauges gauges = host->pool.gauges();
    return !host->is_configured && host->users == 0 && gauges.size + gauges.waiters == 0;
  });
  if (unused == hosts.end()) return false;
  past.add_past((*unused)->pool.stats());
  has_past = true;
  hosts.erase(unused);
  return true;
}

// Nothing is dialled or let in any more. Requests under way hold the state, and so the hosts' pools, until they end.
void HttpConnectionPool::State::stop(Nanoseconds patience) {
  is_stopped = true;  // no host comes or goes from here on, whoever is resumed below
  if (loop.is_ending()) return;
  for (const auto& host : hosts) host->pool.begin_drain(patience);
}

HttpConnectionPool::HttpConnectionPool(std::shared_ptr<State> state) : state_(std::move(state)) {}
HttpConnectionPool::HttpConnectionPool(HttpConnectionPool&&) noexcept = default;
HttpConnectionPool& HttpConnectionPool::operator=(HttpConnectionPool&& other) noexcept {
  if (this == &other) return *this;
  const auto old = std::exchange(state_, std::move(other.state_));
  if (old) old->stop(Nanoseconds(0));
  return *this;
}
HttpConnectionPool::~HttpConnectionPool() {
  if (state_) state_->stop(Nanoseconds(0));
}

Result<HttpConnectionPool> HttpConnectionPool::create(EventLoop& loop, HttpPoolOptions options) {
  if (auto ok = options.config.validate(); !ok) return std::unexpected(std::move(ok.error()));
  const std::string& name = options.config.connections.name;
  if (auto ok = check_options(options); !ok) return std::unexpected(std::move(ok.error()));
  options.connection.read_timeout = std::min(options.connection.read_timeout, options.config.read_timeout);
  if (!options.route.proxies) {
    auto proxies = ProxySettings::parse(options.config.proxy);
    if (!proxies) return fail_because(std::move(proxies.error()), "pool '" + name + "': proxy");
    options.route.proxies = std::make_shared<const ProxySettings>(std::move(*proxies));
  }
  if (!options.route.dns) {
    DnsCacheOptions dns_options;
    dns_options.ttl = options.config.dns_ttl;
    options.route.dns = std::make_shared<DnsCache>(loop, std::move(dns_options));
  }
  return HttpConnectionPool(std::make_shared<State>(loop, std::move(options)));
}

void HttpConnectionPool::use_connect_budget(pool::ConnectBudget& budget) { state_->connect_budget = &budget; }

Result<> HttpConnectionPool::set_endpoints(const wire::Url& url, std::vector<pool::Endpoint> endpoints) {
  if (auto ok = check_scheme(url); !ok) return ok;
  if (auto ok = take_tls_from(url, endpoints); !ok) return ok;
  if (State::Host* const host = state_->find_host(url)) {
    auto ok = host->pool.set_endpoints(std::move(endpoints));
    if (!ok) return ok;
    host->hints.clear();  // a place in the list may be another's now
    host->is_configured = true;
    return {};
  }
  auto added = state_->add_host(url, std::move(endpoints));
  if (!added) return std::unexpected(std::move(added.error()));
  (*added)->is_configured = true;
  return {};
}

Result<> HttpConnectionPool::use_ledger(std::shared_ptr<pool::PermitLedger> ledger) {
  if (!state_->hosts.empty()) {
    return fail(ErrorCode::invalid_argument,
                "pool '" + name() + "': it has connections already; give it a ledger before the first request", true);
  }
  state_->permits = std::move(ledger);
  state_->has_own_permits = false;
  return {};
}

Result<> HttpConnectionPool::reconfigure(const pool::HttpPoolConfig& config) {
  if (auto ok = config.validate(); !ok) return ok;
  pool::HttpPoolConfig& mine = state_->options.config;
  pool::HttpPoolConfig changed = config;
  changed.connections.keep_identity_of(mine.connections);
  changed.dns_ttl = mine.dns_ttl;
  changed.read_timeout = mine.read_timeout;
  changed.proxy = mine.proxy;
  const bool is_other_breaker = mine.circuit_breaker != changed.circuit_breaker;
  mine = std::move(changed);
  state_->budget.reconfigure(mine.retry_budget);
  state_->wake_retries();
  if (state_->has_own_permits) state_->permits->resize(static_cast<std::uint32_t>(mine.connections.max_size));
  for (const auto& host : state_->hosts) {
    if (is_other_breaker) host->breaker.reset(state_->breaker_config());
    if (auto ok = host->pool.reconfigure(state_->host_config(host->is_warm)); !ok) return ok;
  }
  return {};
}

Result<> HttpConnectionPool::resize(std::size_t max_size, std::size_t max_per_host) {
  pool::HttpPoolConfig config = state_->options.config;
  config.connections.max_size = max_size;
  config.connections.min_size = std::min(config.connections.min_size, max_size);
  config.max_per_host = max_per_host;
  return reconfigure(config);
}

std::size_t HttpConnectionPool::close_idle() {
  std::size_t count = 0;
  for (const auto& host : state_->hosts) count += host->pool.close_idle();
  return count;
}

Result<> HttpConnectionPool::keep_warm(const wire::Url& url) {
  auto host = state_->host_for(url);
  if (!host) return std::unexpected(std::move(host.error()));
  (*host)->is_warm = (*host)->is_configured = true;
  return (*host)->pool.reconfigure(state_->host_config(true));
}

HttpConnectionPool::Prepared HttpConnectionPool::prepare(std::string_view text, const HttpRequest& request,
                                                         const HttpRequestOptions& options) {
  Prepared prepared;
  prepared.text = text;
  prepared.is_idempotent = options.is_idempotent.value_or(is_idempotent_method(request.method));
  prepared.is_head = request.method == "HEAD";
  prepared.timeout = options.timeout;
  prepared.body_source = request.body_source;
  return prepared;
}

Task<Result<PooledResponse>> HttpConnectionPool::get(std::string url, HttpRequestOptions options,
                                                     std::source_location where) {
  return State::get(state_, std::move(url), options, where);
}

Task<Result<PooledResponse>> HttpConnectionPool::request(wire::Url url, HttpRequest request, HttpRequestOptions options,
                                                         std::source_location where) {
  return State::request_whole(state_, std::move(url), std::move(request), options, false, where);
}

Task<Result<PooledResponse>> HttpConnectionPool::request(const wire::Url& url, Prepared prepared,
                                                         std::source_location where) {
  return State::request(state_, url, prepared, where);
}

Task<Result<StreamedResponse>> HttpConnectionPool::stream(wire::Url url, HttpRequest request,
                                                          HttpRequestOptions options, std::source_location where) {
  auto response = co_await State::request_whole(state_, std::move(url), std::move(request), options, true, where);
  if (!response) co_return std::unexpected(std::move(response.error()));
  co_return StreamedResponse(std::move(*response));
}

Task<Result<HttpLease>> HttpConnectionPool::acquire(const wire::Url& url, Nanoseconds timeout,
                                                    std::source_location where) {
  auto host = state_->host_for(url);
  if (!host) co_return std::unexpected(std::move(host.error()));
  const Nanoseconds most = timeout.count() > 0 ? timeout : state_->options.config.connections.acquire_timeout;
  auto lease = co_await (*host)->pool.acquire(most, where);
  if (lease && (*host)->proxy != nullptr) (**lease)->forward_to(url, (*host)->proxy_credentials);
  co_return lease;
}

Task<std::size_t> HttpConnectionPool::drain(Nanoseconds patience) {
  const auto state = state_;
  const Instant deadline = detail::deadline_after(state->loop.refresh_now(), patience);
  state->stop(patience);  // all at once
  std::size_t left = 0;
  for (const auto& host : state->hosts) {
    const Nanoseconds rest = std::max<Nanoseconds>(deadline - state->loop.refresh_now(), Nanoseconds(0));
    const std::size_t more = co_await host->pool.drain(rest);
    left += more;
  }
  co_return left;
}

HttpConnectionPool::RequestCounters HttpConnectionPool::request_counters() const { return state_->counters; }
const std::optional<Error>& HttpConnectionPool::last_fault() const { return state_->last_fault; }

std::vector<pool::PoolStats> HttpConnectionPool::stats() const {
  std::vector<pool::PoolStats> all;
  for (const auto& host : state_->hosts) all.push_back(host->pool.stats());
  if (state_->has_past) {
    all.push_back(state_->past);
    all.back().name = name() + " replaced hosts";
    all.back().type = pool::PoolType::http;
  }
  for (pool::PoolStats& host : all) {
    host.group = name();
    host.group_max_size = state_->options.config.connections.max_size;
  }
  return all;
}

pool::PoolSummary HttpConnectionPool::summary() const { return pool::summarize(stats()); }

std::vector<pool::ConnectionInfo> HttpConnectionPool::connections() const {
  std::vector<pool::ConnectionInfo> all;
  for (const auto& host : state_->hosts) {
    for (auto& info : host->pool.connections()) all.push_back(std::move(info));
  }
  return all;
}

const std::string& HttpConnectionPool::name() const { return state_->options.config.connections.name; }

}  // namespace marketprism::net
