#pragma once
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/base/random.hpp"
#include "marketprism/base/time.hpp"
#include "marketprism/pool/backoff.hpp"
#include "marketprism/pool/endpoint_set.hpp"

namespace marketprism::pool {

/// When and where a pool dials next. A failed dial tries another endpoint at once; when each endpoint has failed once
/// since the last success or pause, the round has failed and a pause (backoff with full jitter) follows. Dials of an
/// earlier round that fail late change nothing, so ten dials failing together are one failed round. Owned by one pool,
/// no lock.
class DialRounds {
 public:
  DialRounds(std::vector<Endpoint> endpoints, EjectionConfig ejection, BackoffConfig backoff, std::uint64_t seed)
      : endpoints_(std::move(endpoints), ejection), failed_(endpoints_.size()), backoff_(backoff), random_(seed) {}

  struct Attempt {
    std::uint32_t endpoint = 0;
    std::uint64_t round = 0;
  };

  /// The next dial; it counts as a connection of its endpoint until `endpoints().connection_closed`. Not to be called
  /// before `dial_after()`.
  Attempt start(Instant now);
  /// The same, at an endpoint of better priority than `than`, if one is usable.
  std::optional<Attempt> start_better(std::uint32_t than, Instant now);
  void succeeded(const Attempt& attempt, Instant now);
  /// True when this ended the round.
  bool failed(const Attempt& attempt, Error error, Instant now);

  /// A request to an endpoint that takes connections has failed. While another endpoint is usable, this one counts as
  /// failed in this round, so that the dial for the next attempt goes elsewhere. True if there is another.
  bool request_failed(std::uint32_t endpoint, Instant now);

  /// Changes the set of endpoints (see `EndpointSet::replace`); a new round begins at once.
  std::vector<std::uint32_t> replace_endpoints(std::vector<Endpoint> endpoints);

  [[nodiscard]] Instant dial_after() const { return dial_after_; }
  [[nodiscard]] std::uint64_t failed_rounds() const { return failed_rounds_; }
  [[nodiscard]] const Error& last_error() const { return last_error_; }  ///< message empty: none so far
  [[nodiscard]] EndpointSet& endpoints() { return endpoints_; }
  [[nodiscard]] const EndpointSet& endpoints() const { return endpoints_; }
  [[nodiscard]] Random& random() { return random_; }

 private:
  void begin_round();

  EndpointSet endpoints_;
  std::vector<bool> failed_;  // in this round
  std::uint64_t round_ = 1;
  std::uint64_t failed_rounds_ = 0;
  Backoff backoff_;
  Instant dial_after_ = Instant::min();
  Error last_error_;
  Random random_;
};

}  // namespace marketprism::pool
