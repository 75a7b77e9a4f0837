#include "marketprism/net/dns_cache.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "marketprism/async/signal.hpp"
#include "marketprism/base/log.hpp"
#include "marketprism/net/deadline.hpp"

namespace marketprism::net {
namespace {

using async::Task;

struct Entry {
  Addresses addresses;  // empty until the first look-up has succeeded
  Instant expires_at{};
  Instant used_at{};
  std::optional<Error> failure;  // of the first look-up
  std::deque<async::Signal*> waiting;
  bool is_looking_up = false;

  /// After a look-up.
  [[nodiscard]] Result<Addresses> answer() const {
    if (failure) return std::unexpected(*failure);
    return addresses;
  }
};
using EntryPtr = std::shared_ptr<Entry>;

}  // namespace

// Shared with look-ups under way, which may end after the cache.
struct DnsCache::State {
  State(async::EventLoop& event_loop, DnsCacheOptions cache_options)
      : loop(event_loop), options(std::move(cache_options)) {
    if (!options.resolver) options.resolver = net::resolve;
    if (!options.clock) options.clock = [this] { return loop.now(); };
  }

  EntryPtr entry_for(const std::string& host);
  static Task<Result<Addresses>> resolve(std::shared_ptr<State> self, std::string host, Instant deadline);
  static Task<> look_up(std::shared_ptr<State> self, std::string host, EntryPtr entry);
  void take_failure(const std::string& host, Entry& entry, Error error);

  async::EventLoop& loop;
  DnsCacheOptions options;
  Statistics statistics;
  std::unordered_map<std::string, EntryPtr> entries;
};

EntryPtr DnsCache::State::entry_for(const std::string& host) {
  EntryPtr& entry = entries[host];
  if (entry == nullptr) {
    entry = std::make_shared<Entry>();
    if (entries.size() > options.names_max) {
      const EntryPtr added = entry;
      const auto oldest = std::min_element(entries.begin(), entries.end(), [&](const auto& a, const auto& b) {
        if ((a.second == added) != (b.second == added)) return b.second == added;
        return a.second->used_at < b.second->used_at;
      });
      entries.erase(oldest);
      return added;
    }
  }
  return entry;
}

Task<Result<Addresses>> DnsCache::State::resolve(std::shared_ptr<State> self, std::string host, Instant deadline) {
  boost::system::error_code not_numeric;
  const auto numeric = boost::asio::ip::make_address(host, not_numeric);
  if (!not_numeric) co_return Addresses(1, numeric);

  const Instant now = self->options.clock();
  const EntryPtr entry = self->entry_for(host);
  entry->used_at = now;
  const bool is_known = !entry->addresses.empty();
  const bool is_old = is_known && now >= entry->expires_at;
  if ((!is_known || is_old) && !entry->is_looking_up) {
    entry->is_looking_up = true;
    self->loop.spawn(look_up(self, host, entry));
  }
  if (is_known) {
    ++self->statistics.hits;
    if (is_old) ++self->statistics.stale;
    co_return entry->addresses;
  }
  ++self->statistics.misses;
  if (!entry->is_looking_up) co_return entry->answer();  // the resolver knew at once
  async::Signal done(self->loop);
  entry->waiting.push_back(&done);
  const auto outcome = co_await done.wait(deadline);
  if (outcome != async::Signal::Outcome::set) std::erase(entry->waiting, &done);
  if (outcome == async::Signal::Outcome::timed_out) {
    co_return fail(ErrorCode::timed_out, host + ": looking up the name took too long; check the DNS of this machine");
  }
  if (outcome == async::Signal::Outcome::cancelled) co_return fail(ErrorCode::cancelled, host + ": cancelled");
  co_return entry->answer();
}

Task<> DnsCache::State::look_up(std::shared_ptr<State> self, std::string host, EntryPtr entry) {
  ++self->statistics.lookups;
  const Instant deadline = detail::deadline_after(self->loop.refresh_now(), self->options.lookup_timeout);
  auto found = co_await self->options.resolver(self->loop, host, deadline);
  entry->is_looking_up = false;
  if (found && found->empty()) found = fail(ErrorCode::not_found, host + ": the name has no address");
  if (found) {
    entry->addresses = std::move(*found);
    entry->expires_at = detail::deadline_after(self->options.clock(), self->options.ttl);
  } else {
    self->take_failure(host, *entry, std::move(found.error()));
  }
  // One by one: who is woken may go on to destroy another who waits.
  while (!entry->waiting.empty()) {
    async::Signal* next = entry->waiting.front();
    entry->waiting.pop_front();
    next->set();
  }
}

void DnsCache::State::take_failure(const std::string& host, Entry& entry, Error error) {
  ++statistics.failures;
  if (!entry.addresses.empty()) {
    entry.expires_at = detail::deadline_after(options.clock(), options.retry_after);
    log(LogLevel::warning, "dns",
        host + ": the addresses could not be refreshed, the old ones stay in use: " + error.to_string());
    return;
  }
  entry.failure = std::move(error);
  const auto found = entries.find(host);
  if (found != entries.end() && found->second.get() == &entry) entries.erase(found);
}

DnsCache::DnsCache(async::EventLoop& loop, DnsCacheOptions options)
    : state_(std::make_shared<State>(loop, std::move(options))) {}
DnsCache::~DnsCache() = default;

async::Task<Result<Addresses>> DnsCache::resolve(std::string host, Instant deadline) {
  return State::resolve(state_, std::move(host), deadline);
}

void DnsCache::doubt(std::string_view host) {
  const auto found = state_->entries.find(std::string(host));
  if (found != state_->entries.end()) found->second->expires_at = Instant::min();
}

DnsCache::Statistics DnsCache::statistics() const {
  Statistics statistics = state_->statistics;
  statistics.names = state_->entries.size();
  return statistics;
}

}  // namespace marketprism::net
