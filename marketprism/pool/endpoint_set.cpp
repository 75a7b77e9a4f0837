#include "marketprism/pool/endpoint_set.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include <fmt/format.h>

namespace marketprism::pool {
namespace {

std::uint32_t weight_of(const Endpoint& endpoint) { return std::max<std::uint32_t>(endpoint.weight, 1); }
bool is_skipped(const std::vector<bool>& skip, std::uint32_t i) { return i < skip.size() && skip[i]; }
bool is_same_place(const Endpoint& a, const Endpoint& b) {
  return a.port == b.port && a.is_tls == b.is_tls && a.host == b.host && a.target == b.target;
}

}  // namespace

std::string Endpoint::name() const {
  if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

EndpointSet::EndpointSet(std::vector<Endpoint> endpoints, EjectionConfig config)
    : endpoints_(std::move(endpoints)), states_(endpoints_.size()), config_(config) {
  assert(!endpoints_.empty());
  candidates_.reserve(endpoints_.size());
}

std::optional<std::uint32_t> EndpointSet::choose(Instant now, Random& random, const std::vector<bool>& skip) {
  const bool is_panic = is_panicking(now);
  collect(now, skip, is_panic);
  // A recovering endpoint takes part in only a share of the draws; meanwhile the others go where they went before.
  std::size_t kept = 0;
  for (const auto i : candidates_) {
    const double share = recovery(i, now);
    if (is_panic || share >= 1 || random.chance(share)) candidates_[kept++] = i;
  }
  candidates_.resize(kept);
  if (candidates_.empty()) collect(now, skip, true);
  if (candidates_.empty()) return std::nullopt;
  keep_best_priority();
  return pick_of_two(random);
}

std::optional<std::uint32_t> EndpointSet::choose_better(std::uint32_t than, Instant now, Random& random) {
  collect(now, {}, false);
  std::erase_if(candidates_, [&](std::uint32_t i) { return endpoints_[i].priority >= endpoints_[than].priority; });
  if (candidates_.empty()) return std::nullopt;
  keep_best_priority();
  return pick_of_two(random);
}

void EndpointSet::keep_best_priority() {
  std::uint32_t best = ~std::uint32_t{0};
  for (const auto i : candidates_) best = std::min(best, endpoints_[i].priority);
  std::erase_if(candidates_, [&](std::uint32_t i) { return endpoints_[i].priority != best; });
}

std::vector<std::uint32_t> EndpointSet::replace(std::vector<Endpoint> endpoints) {
  assert(!endpoints.empty());
  for (State& state : states_) state.is_removed = true;
  std::vector<Endpoint> added;
  for (Endpoint& wanted : endpoints) {
    const auto known = std::find_if(endpoints_.begin(), endpoints_.end(),
                                    [&](const Endpoint& endpoint) { return is_same_place(endpoint, wanted); });
    if (known == endpoints_.end()) {
      added.push_back(std::move(wanted));
      continue;
    }
    states_[static_cast<std::size_t>(known - endpoints_.begin())].is_removed = false;
    *known = std::move(wanted);
  }
  std::vector<std::uint32_t> places;
  for (Endpoint& endpoint : added) {
    const auto free = std::find_if(states_.begin(), states_.end(),
                                   [](const State& state) { return state.is_removed && state.load == 0; });
    const auto place = static_cast<std::uint32_t>(free - states_.begin());
    if (free == states_.end()) {
      endpoints_.emplace_back();
      states_.emplace_back();
    }
    states_[place] = State{};
    endpoints_[place] = std::move(endpoint);
    places.push_back(place);
  }
  candidates_.reserve(endpoints_.size());
  return places;
}

bool EndpointSet::has_removed_in_use() const {
  return std::any_of(states_.begin(), states_.end(),
                     [](const State& state) { return state.is_removed && state.load > 0; });
}

std::size_t EndpointSet::present() const {
  return static_cast<std::size_t>(
      std::count_if(states_.begin(), states_.end(), [](const State& state) { return !state.is_removed; }));
}

bool EndpointSet::has_candidate(const std::vector<bool>& skip) const {
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    if (!is_skipped(skip, i) && !states_[i].is_removed) return true;
  }
  return false;
}

bool EndpointSet::has_usable(const std::vector<bool>& skip, Instant now) const {
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    if (!is_skipped(skip, i) && !states_[i].is_removed && !is_ejected(i, now)) return true;
  }
  return false;
}

void EndpointSet::collect(Instant now, const std::vector<bool>& skip, bool ignore_ejection) {
  candidates_.clear();
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    if (is_skipped(skip, i) || states_[i].is_removed) continue;
    if (!ignore_ejection && is_ejected(i, now)) continue;
    candidates_.push_back(i);
  }
}

std::uint32_t EndpointSet::pick_of_two(Random& random) const {
  const std::uint32_t first = draw(random);
  if (candidates_.size() == 1) return first;
  std::uint32_t second = draw(random);
  for (int i = 0; second == first && i < 4; ++i) second = draw(random);
  return score(second) < score(first) ? second : first;
}

std::uint32_t EndpointSet::draw(Random& random) const {
  std::uint64_t total = 0;
  for (const auto i : candidates_) total += weight_of(endpoints_[i]);
  std::uint64_t at = random.below(total);
  for (const auto i : candidates_) {
    const std::uint64_t weight = weight_of(endpoints_[i]);
    if (at < weight) return i;
    at -= weight;
  }
  return candidates_.back();
}

double EndpointSet::score(std::uint32_t endpoint) const {
  return static_cast<double>(states_[endpoint].load + 1) / weight_of(endpoints_[endpoint]);
}

void EndpointSet::connection_closed(std::uint32_t endpoint) {
  assert(states_[endpoint].load > 0);
  --states_[endpoint].load;
}

void EndpointSet::succeeded(std::uint32_t endpoint, Instant now) {
  State& state = states_[endpoint];
  state.failures = 0;
  ++state.window_successes;
  if (state.request_failures > 0) return;  // that it takes connections is known
  state.is_proven = true;
  // The count of ejections in a row is forgiven only once the endpoint has done well for its whole recovery.
  if (state.ejections > 0 && now >= state.ejected_until + config_.recovery) state.ejections = 0;
}

void EndpointSet::request_succeeded(std::uint32_t endpoint, Instant now) {
  states_[endpoint].request_failures = 0;
  succeeded(endpoint, now);
}

void EndpointSet::failed(std::uint32_t endpoint, Instant now, Random& random) {
  ++states_[endpoint].failures;
  note_failure(endpoint, now, random);
}

void EndpointSet::request_failed(std::uint32_t endpoint, Instant now, Random& random) {
  ++states_[endpoint].request_failures;
  note_failure(endpoint, now, random);
}

void EndpointSet::note_failure(std::uint32_t endpoint, Instant now, Random& random) {
  State& state = states_[endpoint];
  ++state.window_failures;
  state.is_proven = false;
  if (state.in_a_row() >= config_.consecutive_failures) eject(endpoint, now, random);
  if (now >= window_end_) end_window(now, random);
}

bool EndpointSet::eject(std::uint32_t endpoint, Instant now, Random& random) {
  State& state = states_[endpoint];
  if (state.is_removed || is_ejected(endpoint, now)) return false;
  std::size_t ejected = 0;
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    if (!states_[i].is_removed && is_ejected(i, now)) ++ejected;
  }
  if ((ejected + 1) * 2 > present()) return false;
  ++state.ejections;
  ++ejections_;
  const auto length = std::min<Nanoseconds>(config_.time * state.ejections, config_.time_max);
  const double jitter = 1.0 + config_.jitter * random.fraction();
  state.ejected_until = now + Nanoseconds(static_cast<std::int64_t>(static_cast<double>(length.count()) * jitter));
  state.failures = state.request_failures = 0;
  state.is_proven = false;
  return true;
}

void EndpointSet::end_window(Instant now, Random& random) {
  if (config_.window_outcomes > 0) {
    while (const auto outlier = worst_outlier(now)) {
      if (!eject(*outlier, now, random)) break;
      ++outlier_ejections_;
    }
  }
  for (State& state : states_) state.window_successes = state.window_failures = 0;
  window_end_ = now + config_.window;
}

// Of the endpoints with enough outcomes to judge by, the one that succeeds least, if it stands out.
std::optional<std::uint32_t> EndpointSet::worst_outlier(Instant now) const {
  Outcomes sum;
  Outcomes worst;
  std::optional<std::uint32_t> found;
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    const State& state = states_[i];
    if (state.is_removed || is_ejected(i, now) || state.outcomes() < config_.window_outcomes) continue;
    const Outcomes own{static_cast<double>(state.window_successes), static_cast<double>(state.outcomes())};
    sum.successes += own.successes;
    sum.all += own.all;
    if (found && own.rate() >= worst.rate()) continue;
    found = i;
    worst = own;
  }
  if (!found || sum.all == worst.all) return std::nullopt;  // nobody to compare with
  return is_outlier(worst, {sum.successes - worst.successes, sum.all - worst.all}) ? found : std::nullopt;
}

// The gap must matter, and must be more than chance: three standard deviations of the difference of two shares.
bool EndpointSet::is_outlier(const Outcomes& own, const Outcomes& others) const {
  const double gap = others.rate() - own.rate();
  const double rate = (own.successes + others.successes) / (own.all + others.all);
  const double deviation = std::sqrt(rate * (1 - rate) * (1 / own.all + 1 / others.all));
  return gap > config_.outlier_gap && gap > 3 * deviation;
}

bool EndpointSet::is_panicking(Instant now) const {
  std::size_t unwell = 0;
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) unwell += !states_[i].is_removed && is_unwell(i, now) ? 1 : 0;
  return unwell * 2 > present();
}

double EndpointSet::recovery(std::uint32_t endpoint, Instant now) const {
  const State& state = states_[endpoint];
  if (state.ejections == 0) return 1;
  if (now < state.ejected_until) return 0;
  const auto since = now - state.ejected_until;
  if (since >= config_.recovery) return 1;
  return 0.1 + 0.9 * static_cast<double>(since.count()) / static_cast<double>(config_.recovery.count());
}

bool EndpointSet::is_standby(std::uint32_t endpoint) const {
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    if (!states_[i].is_removed && endpoints_[i].priority < endpoints_[endpoint].priority) return true;
  }
  return false;
}

bool EndpointSet::has_better(std::uint32_t endpoint, Instant now) const {
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    if (states_[i].is_removed || is_ejected(i, now)) continue;
    if (endpoints_[i].priority < endpoints_[endpoint].priority) return true;
  }
  return false;
}

bool EndpointSet::has_proven_better(std::uint32_t endpoint, Instant now) const {
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    if (states_[i].is_removed || !states_[i].is_proven || is_ejected(i, now)) continue;
    if (endpoints_[i].priority < endpoints_[endpoint].priority) return true;
  }
  return false;
}

}  // namespace marketprism::pool
