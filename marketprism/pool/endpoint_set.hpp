#pragma once
#include <algorithm>
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

  Nanoseconds window = std::chrono::seconds(10);  ///< success rates are compared once in this time …
  std::uint32_t window_outcomes = 20;             ///< … of endpoints with at least as many outcomes in it (0: never) …
  double outlier_gap = 0.2;  ///< … and one that succeeds by more than this less often than the others is ejected
};

/// Which endpoint to try next, and which to leave alone. Failures in a row, or a success rate far below that of the
/// others, eject an endpoint for all users of the set for a while; at most half are ejected, and when more than half
/// are unwell, ejections are ignored (panic: better to try than to stand still). Load is the number of connections open
/// or being opened. Owned by one pool, one loop, no lock.
///
/// An endpoint keeps its index for as long as it is in the set or a connection to it is open.
class EndpointSet {
 public:
  explicit EndpointSet(std::vector<Endpoint> endpoints, EjectionConfig config = {});

  /// Of the best priority with a usable endpoint, the less loaded (by weight) of two drawn at random. Endpoints whose
  /// `skip` flag is set are left out; nothing when none remains. `skip` may be shorter than the set.
  [[nodiscard]] std::optional<std::uint32_t> choose(Instant now, Random& random, const std::vector<bool>& skip = {});

  /// Among the endpoints of better priority than `than` that are not ejected; nothing when there is none.
  [[nodiscard]] std::optional<std::uint32_t> choose_better(std::uint32_t than, Instant now, Random& random);

  /// True when `choose` with the same `skip` returns something: even ejected endpoints are tried when nothing else is
  /// left.
  [[nodiscard]] bool has_candidate(const std::vector<bool>& skip) const;
  /// The same without the ejected ones.
  [[nodiscard]] bool has_usable(const std::vector<bool>& skip, Instant now) const;

  /// Each `connection_opened` (at the dial) is followed by one `connection_closed`.
  void connection_opened(std::uint32_t endpoint) { ++states_[endpoint].load; }
  void connection_closed(std::uint32_t endpoint);

  /// Outcome of a dial. Success rates are compared at the first failure after the end of a window.
  void succeeded(std::uint32_t endpoint, Instant now);
  void failed(std::uint32_t endpoint, Instant now, Random& random);
  /// Outcome of a request. Its failures in a row are a count of their own, which a dial that succeeds does not end: an
  /// endpoint that accepts every connection and then fails every request is ejected, too.
  void request_succeeded(std::uint32_t endpoint, Instant now);
  void request_failed(std::uint32_t endpoint, Instant now, Random& random);

  /// Changes the set: what is no longer named is not chosen any more, what stays keeps its state, what is new begins
  /// afresh; the indices of these are returned. `endpoints` must not be empty.
  std::vector<std::uint32_t> replace(std::vector<Endpoint> endpoints);

  /// One more than the largest index; removed endpoints are counted until their place is taken.
  [[nodiscard]] std::size_t size() const { return endpoints_.size(); }
  [[nodiscard]] std::size_t present() const;  ///< without the removed ones
  [[nodiscard]] bool is_removed(std::uint32_t endpoint) const { return states_[endpoint].is_removed; }
  /// True while connections to removed endpoints are open.
  [[nodiscard]] bool has_removed_in_use() const;
  [[nodiscard]] const Endpoint& operator[](std::uint32_t endpoint) const { return endpoints_[endpoint]; }
  [[nodiscard]] bool is_ejected(std::uint32_t endpoint, Instant now) const {
    return now < states_[endpoint].ejected_until;
  }
  [[nodiscard]] bool is_panicking(Instant now) const;
  [[nodiscard]] std::uint32_t load(std::uint32_t endpoint) const { return states_[endpoint].load; }
  [[nodiscard]] unsigned consecutive_failures(std::uint32_t endpoint) const { return states_[endpoint].in_a_row(); }
  /// The last dial was a success, and the last request, if there was one.
  [[nodiscard]] bool is_proven(std::uint32_t endpoint) const { return states_[endpoint].is_proven; }
  [[nodiscard]] std::uint64_t ejections() const { return ejections_; }
  [[nodiscard]] std::uint64_t outlier_ejections() const { return outlier_ejections_; }  ///< of `ejections`
  /// The share of its weight an endpoint gets now: 0 while ejected, growing from 0.1 to 1 while recovering.
  [[nodiscard]] double recovery(std::uint32_t endpoint, Instant now) const;
  /// True when there is an endpoint of better priority than this one's.
  [[nodiscard]] bool is_standby(std::uint32_t endpoint) const;
  /// True when one of those is not ejected, so that this one's connections may go back there.
  [[nodiscard]] bool has_better(std::uint32_t endpoint, Instant now) const;
  /// … and is known to be well.
  [[nodiscard]] bool has_proven_better(std::uint32_t endpoint, Instant now) const;

 private:
  struct State {
    std::uint32_t load = 0;
    unsigned failures = 0;          // of dials in a row
    unsigned request_failures = 0;  // in a row
    unsigned ejections = 0;         // in a row
    Instant ejected_until = Instant::min();
    std::uint32_t window_successes = 0;
    std::uint32_t window_failures = 0;
    bool is_proven = false;
    bool is_removed = false;
    [[nodiscard]] std::uint32_t outcomes() const { return window_successes + window_failures; }
    [[nodiscard]] unsigned in_a_row() const { return std::max(failures, request_failures); }
  };
  struct Outcomes {
    double successes = 0;
    double all = 0;
    [[nodiscard]] double rate() const { return successes / all; }
  };

  [[nodiscard]] bool is_unwell(std::uint32_t endpoint, Instant now) const {
    return is_ejected(endpoint, now) || states_[endpoint].in_a_row() >= config_.consecutive_failures;
  }
  void note_failure(std::uint32_t endpoint, Instant now, Random& random);
  bool eject(std::uint32_t endpoint, Instant now, Random& random);
  void end_window(Instant now, Random& random);
  [[nodiscard]] std::optional<std::uint32_t> worst_outlier(Instant now) const;
  [[nodiscard]] bool is_outlier(const Outcomes& own, const Outcomes& others) const;
  void keep_best_priority();
  [[nodiscard]] double score(std::uint32_t endpoint) const;
  void collect(Instant now, const std::vector<bool>& skip, bool ignore_ejection);
  std::uint32_t pick_of_two(Random& random) const;
  std::uint32_t draw(Random& random) const;

  std::vector<Endpoint> endpoints_;
  std::vector<State> states_;
  EjectionConfig config_;
  std::uint64_t ejections_ = 0;
  std::uint64_t outlier_ejections_ = 0;
  Instant window_end_ = Instant::min();
  std::vector<std::uint32_t> candidates_;  // scratch of `choose`
};

}  // namespace marketprism::pool
