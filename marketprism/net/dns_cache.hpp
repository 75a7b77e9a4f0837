#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "marketprism/net/dns.hpp"

namespace marketprism::net {

struct DnsCacheOptions {
  Nanoseconds ttl = std::chrono::seconds(300);            ///< used later than this, a name is looked up again
  Nanoseconds lookup_timeout = std::chrono::seconds(10);  ///< of one look-up
  Nanoseconds retry_after = std::chrono::seconds(10);     ///< pause after a refresh that failed
  std::size_t names_max = 1024;                           ///< one more replaces the one that was not asked for longest
  DnsResolver resolver;                                   ///< none: the system's
  std::function<Instant()> clock;                         ///< none: the loop's
};

/// Remembers the addresses of names. A name that is too old is looked up again in the background, while the old
/// addresses are served: nobody waits for a refresh. If the refresh fails the old addresses stay, with a warning.
/// Several who ask for a new name share one look-up. A failed first look-up is not remembered. Names are
/// taken as they are written. One event loop, no lock.
class DnsCache {
 public:
  explicit DnsCache(async::EventLoop& loop, DnsCacheOptions options = {});
  ~DnsCache();
  DnsCache(const DnsCache&) = delete;
  DnsCache& operator=(const DnsCache&) = delete;

  /// At least one address, in the order of preference. Waits, until `deadline` at most, only for a name that is not
  /// known yet. The errors of `net::resolve`.
  async::Task<Result<Addresses>> resolve(std::string host, Instant deadline);

  /// None of the name's addresses could be reached: the next use looks it up again.
  void doubt(std::string_view host);

  struct Statistics {
    std::uint64_t hits = 0;      ///< answered without waiting, old addresses included
    std::uint64_t stale = 0;     ///< … of these: with addresses older than the ttl
    std::uint64_t misses = 0;    ///< waited for a look-up
    std::uint64_t lookups = 0;   ///< begun
    std::uint64_t failures = 0;  ///< look-ups that failed
    std::size_t names = 0;       ///< known now
  };
  [[nodiscard]] Statistics statistics() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

using DnsCachePtr = std::shared_ptr<DnsCache>;

}  // namespace marketprism::net
