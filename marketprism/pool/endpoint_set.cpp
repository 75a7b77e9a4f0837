#include "marketprism/pool/endpoint_set.hpp"

#include <algorithm>
#include <cassert>

#include <fmt/format.h>

namespace marketprism::pool {
namespace {

std::uint32_t weight_of(const Endpoint& endpoint) { return std::max<std::uint32_t>(endpoint.weight, 1); }
bool is_skipped(const std::vector<bool>& skip, std::uint32_t i) { return i < skip.size() && skip[i]; }

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
  std::uint32_t best = ~std::uint32_t{0};
  for (const auto i : candidates_) best = std::min(best, endpoints_[i].priority);
  std::erase_if(candidates_, [&](std::uint32_t i) { return endpoints_[i].priority != best; });
  return pick_of_two(random);
}

bool EndpointSet::has_candidate(const std::vector<bool>& skip) const {
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    if (!is_skipped(skip, i)) return true;
  }
  return false;
}

void EndpointSet::collect(Instant now, const std::vector<bool>& skip, bool ignore_ejection) {
  candidates_.clear();
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    if (is_skipped(skip, i)) continue;
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
  // The count of ejections in a row is forgiven only once the endpoint has done well for its whole recovery.
  if (state.ejections > 0 && now >= state.ejected_until + config_.recovery) state.ejections = 0;
}

void EndpointSet::failed(std::uint32_t endpoint, Instant now, Random& random) {
  State& state = states_[endpoint];
  ++state.failures;
  if (state.failures < config_.consecutive_failures || is_ejected(endpoint, now)) return;
  std::size_t ejected = 0;
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) ejected += is_ejected(i, now) ? 1 : 0;
  if ((ejected + 1) * 2 > endpoints_.size()) return;
  ++state.ejections;
  ++ejections_;
  const auto length = std::min<Nanoseconds>(config_.time * state.ejections, config_.time_max);
  const double jitter = 1.0 + config_.jitter * random.fraction();
  state.ejected_until = now + Nanoseconds(static_cast<std::int64_t>(static_cast<double>(length.count()) * jitter));
  state.failures = 0;
}

bool EndpointSet::is_panicking(Instant now) const {
  std::size_t unwell = 0;
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) unwell += is_unwell(i, now) ? 1 : 0;
  return unwell * 2 > endpoints_.size();
}

double EndpointSet::recovery(std::uint32_t endpoint, Instant now) const {
  const State& state = states_[endpoint];
  if (state.ejections == 0) return 1;
  if (now < state.ejected_until) return 0;
  const auto since = now - state.ejected_until;
  if (since >= config_.recovery) return 1;
  return 0.1 + 0.9 * static_cast<double>(since.count()) / static_cast<double>(config_.recovery.count());
}

bool EndpointSet::has_better(std::uint32_t endpoint, Instant now) const {
  for (std::uint32_t i = 0; i < endpoints_.size(); ++i) {
    if (endpoints_[i].priority < endpoints_[endpoint].priority && !is_unwell(i, now)) return true;
  }
  return false;
}

}  // namespace marketprism::pool
