#include "marketprism/net/connection_pool_manager.hpp"

#include <algorithm>
#include <utility>

#include "marketprism/async/signal.hpp"

namespace marketprism::net {

struct ConnectionPoolManager::Http final : Entry {
  Http(std::string pool_name, HttpConnectionPool made) : Entry(std::move(pool_name)), pool(std::move(made)) {}
  Task<std::size_t> drain(Nanoseconds patience) override { return pool.drain(patience); }
  void add_stats(std::vector<pool::PoolStats>& all) const override {
    for (auto& stats : pool.stats()) all.push_back(std::move(stats));
  }
  HttpConnectionPool pool;
};

struct ConnectionPoolManager::WebSocket final : Entry {
  WebSocket(std::string pool_name, EventLoop& event_loop, WebSocketConnectionPool made)
      : Entry(std::move(pool_name)), loop(event_loop), pool(std::move(made)) {}
  Task<std::size_t> drain(Nanoseconds patience) override {
    const std::size_t left = co_await pool.drain(detail::deadline_after(loop.refresh_now(), patience));
    co_return left;
  }
  void add_stats(std::vector<pool::PoolStats>& all) const override {
    all.push_back(pool.stats());
    if (auto leases = pool.lease_stats()) all.push_back(std::move(*leases));
  }
  EventLoop& loop;
  WebSocketConnectionPool pool;
};

/// What the tasks of a `drain` share: they outlive a caller that is cancelled, and even the manager.
struct ConnectionPoolManager::Draining {
  Draining(EventLoop& loop, std::shared_ptr<pool::ConnectBudget> connects, std::vector<std::unique_ptr<Entry>> pools)
      : budget(std::move(connects)), entries(std::move(pools)), running(entries.size()), all(loop) {}

  static Task<> drain(std::shared_ptr<Draining> self, Entry& entry, Nanoseconds patience) {
    const std::size_t more = co_await entry.drain(patience);
    self->left += more;
    if (--self->running == 0) self->all.set();
  }

  std::shared_ptr<pool::ConnectBudget> budget;  // the pools use it
  std::vector<std::unique_ptr<Entry>> entries;
  std::size_t left = 0;
  std::size_t running;
  async::Signal all;
};

ConnectionPoolManager::ConnectionPoolManager(EventLoop& loop, ConnectionPoolManagerOptions options)
    : loop_(loop), budget_(std::make_shared<pool::ConnectBudget>(options.connects)) {}

ConnectionPoolManager::~ConnectionPoolManager() = default;

Result<> ConnectionPoolManager::check_name(std::string_view name) const {
  if (is_drained_) return fail(ErrorCode::closed, "the connection pools have been stopped: none can be added", true);
  const bool is_known =
      std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry->name == name; });
  if (!is_known) return {};
  return fail(ErrorCode::already_exists, "there is a connection pool named '" + std::string(name) + "' already", true);
}

Result<HttpConnectionPool*> ConnectionPoolManager::add_http(HttpPoolOptions options) {
  const std::string name = options.config.connections.name;
  if (auto ok = check_name(name); !ok) return std::unexpected(std::move(ok.error()));
  auto made = HttpConnectionPool::create(loop_, std::move(options));
  if (!made) return std::unexpected(std::move(made.error()));
  made->use_connect_budget(*budget_);
  auto entry = std::make_unique<Http>(name, std::move(*made));
  auto* pool = &entry->pool;
  entries_.push_back(std::move(entry));
  return pool;
}

Result<WebSocketConnectionPool*> ConnectionPoolManager::add_websocket(WebSocketPoolOptions options,
                                                                      const std::vector<wire::Url>& urls,
                                                                      WebSocketStreamHandler& handler) {
  const std::string name = options.config.connections.name;
  if (auto ok = check_name(name); !ok) return std::unexpected(std::move(ok.error()));
  auto made = WebSocketConnectionPool::create(loop_, std::move(options), urls, handler);
  if (!made) return std::unexpected(std::move(made.error()));
  auto entry = std::make_unique<WebSocket>(name, loop_, std::move(*made));
  auto* pool = &entry->pool;
  pool->use_connect_budget(*budget_);
  pool->start();
  entries_.push_back(std::move(entry));
  return pool;
}

Task<Result<std::size_t>> ConnectionPoolManager::remove(std::string name, Nanoseconds patience) {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry->name == name; });
  if (found == entries_.end()) co_return fail(ErrorCode::not_found, "there is no connection pool named '" + name + "'");
  // Out of the list at once: its name is free, and a second `remove` does not find it.
  const std::unique_ptr<Entry> entry = std::move(*found);
  entries_.erase(found);
  const std::size_t left = co_await entry->drain(patience);
  co_return left;
}

Task<std::size_t> ConnectionPoolManager::drain(Nanoseconds patience) {
  is_drained_ = true;
  const auto draining = std::make_shared<Draining>(loop_, budget_, std::exchange(entries_, {}));
  for (const auto& entry : draining->entries) loop_.spawn(Draining::drain(draining, *entry, patience));
  if (draining->running > 0) co_await draining->all.wait();
  co_return draining->left;
}

std::vector<std::string> ConnectionPoolManager::names() const {
  std::vector<std::string> all;
  for (const auto& entry : entries_) all.push_back(entry->name);
  return all;
}

std::vector<pool::PoolStats> ConnectionPoolManager::stats(std::string_view name) const {
  std::vector<pool::PoolStats> all;
  for (const auto& entry : entries_) {
    if (entry->name == name) entry->add_stats(all);
  }
  return all;
}

std::vector<pool::PoolStats> ConnectionPoolManager::stats() const {
  std::vector<pool::PoolStats> all;
  for (const auto& entry : entries_) entry->add_stats(all);
  return all;
}

pool::PoolSummary ConnectionPoolManager::summary() const { return pool::summarize(stats()); }

}  // namespace marketprism::net
