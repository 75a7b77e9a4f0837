#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "marketprism/base/random.hpp"
#include "marketprism/base/time.hpp"

namespace marketprism::pool {

/// One place a pool may connect to.
struct Endpoint {
  std::string host;  ///< name or address, without brackets
  std::uint16_t port = 0;
  bool is_tls = false;
  std::string target;          ///< path and query for protocols that have one (WebSocket)
  std::uint32_t priority = 0;  ///< the lowest number that has a usable endpoint is used
  std::uint32_t weight = 1;    ///< share among endpoints of one priority; 0 counts as 1

  [[nodiscard]] std::string name() const;  ///< "host:port", IPv6 addresses in brackets
  bool operator==(const Endpoint&) const = default;
};

struct EjectionConfig {
  unsigned consecutive_failures = 5;
  Nanoseconds time = std::chrono::seconds(30);       ///< the n-th ejection in a row lasts n times this …
  Nanoseconds time_max = std::chrono::seconds(300);  ///< … but no longer than this
  double jitter = 0.1;                               ///< … and up to this share more
  Nanoseconds recovery = std::chrono::seconds(30);   ///< afterwards its share grows from a tenth to all in this time
};

/// Which endpoint to try next, and which to leave alone. Failures in a row eject an endpoint for all users of the set
/// for a while; at most half are ejected, and when more than half are unwell, ejections are ignored (panic: better to
/// try than to stand still). Load is the number of connections open or being opened. Owned by one pool, one loop, no
/// lock.
class EndpointSet {
 public:
  explicit EndpointSet(std::vector<Endpoint> endpoints, EjectionConfig config = {});

  /// Of the best priority with a usable endpoint, the less loaded (by weight) of two drawn at random. Endpoints whose
  /// `skip` flag is set are left out; nothing when none remains. `skip` may be shorter than the set.
  [[nodiscard]] std::optional<std::uint32_t> choose(Instant now, Random& random, const std::vector<bool>& skip = {});

  /// True when `choose` with the same `skip` returns something: even ejected endpoints are tried when nothing else is
  /// left.
  [[nodiscard]] bool has_candidate(const std::vector<bool>& skip) const;

  /// Each `connection_opened` (at the dial) is followed by one `connection_closed`.
  void connection_opened(std::uint32_t endpoint) { ++states_[endpoint].load; }
  void connection_closed(std::uint32_t endpoint);

  /// Outcome of a dial or a request.
  void succeeded(std::uint32_t endpoint, Instant now);
  void failed(std::uint32_t endpoint, Instant now, Random& random);

  [[nodiscard]] std::size_t size() const { return endpoints_.size(); }
  [[nodiscard]] const Endpoint& operator[](std::uint32_t endpoint) const { return endpoints_[endpoint]; }
  [[nodiscard]] bool is_ejected(std::uint32_t endpoint, Instant now) const {
    return now < states_[endpoint].ejected_until;
  }
  [[nodiscard]] bool is_panicking(Instant now) const;
  [[nodiscard]] std::uint32_t load(std::uint32_t endpoint) const { return states_[endpoint].load; }
  [[nodiscard]] unsigned consecutive_failures(std::uint32_t endpoint) const { return states_[endpoint].failures; }
  [[nodiscard]] std::uint64_t ejections() const { return ejections_; }
  /// The share of its weight an endpoint gets now: 0 while ejected, growing from 0.1 to 1 while recovering.
  [[nodiscard]] double recovery(std::uint32_t endpoint, Instant now) const;
  /// True when an endpoint of better priority than this one's is usable (and this one's connections may go back there).
  [[nodiscard]] bool has_better(std::uint32_t endpoint, Instant now) const;

 private:
  struct State {
    std::uint32_t load = 0;
    unsigned failures = 0;   // in a row
    unsigned ejections = 0;  // in a row
    Instant ejected_until = Instant::min();
  };

  [[nodiscard]] bool is_unwell(std::uint32_t endpoint, Instant now) const {
    return is_ejected(endpoint, now) || states_[endpoint].failures >= config_.consecutive_failures;
  }
  [[nodiscard]] double score(std::uint32_t endpoint) const;
  void collect(Instant now, const std::vector<bool>& skip, bool ignore_ejection);
  std::uint32_t pick_of_two(Random& random) const;
  std::uint32_t draw(Random& random) const;

  std::vector<Endpoint> endpoints_;
  std::vector<State> states_;
  EjectionConfig config_;
  std::uint64_t ejections_ = 0;
  std::vector<std::uint32_t> candidates_;  // scratch of `choose`
};

}  // namespace marketprism::pool
