#include "marketprism/pool/dial_rounds.hpp"

#include <cassert>

namespace marketprism::pool {

DialRounds::Attempt DialRounds::start(Instant now) {
  const auto endpoint = endpoints_.choose(now, random_, failed_);
  assert(endpoint);  // a round ends as soon as all endpoints have failed
  endpoints_.connection_opened(*endpoint);
  return {*endpoint, round_};
}

std::optional<DialRounds::Attempt> DialRounds::start_better(std::uint32_t than, Instant now) {
  const auto endpoint = endpoints_.choose_better(than, now, random_);
  if (!endpoint) return std::nullopt;
  endpoints_.connection_opened(*endpoint);
  return Attempt{*endpoint, round_};
}

void DialRounds::succeeded(const Attempt& attempt, Instant now) {
  endpoints_.succeeded(attempt.endpoint, now);
  backoff_.reset();
  dial_after_ = Instant::min();
  begin_round();
}

bool DialRounds::failed(const Attempt& attempt, Error error, Instant now) {
  last_error_ = std::move(error);
  endpoints_.failed(attempt.endpoint, now, random_);
  if (attempt.round != round_) return false;
  failed_[attempt.endpoint] = true;
  if (endpoints_.has_candidate(failed_)) return false;
  begin_round();
  ++failed_rounds_;
  dial_after_ = now + backoff_.next(random_);
  return true;
}

bool DialRounds::request_failed(std::uint32_t endpoint, Instant now) {
  endpoints_.request_failed(endpoint, now, random_);
  const bool had_failed = failed_[endpoint];
  failed_[endpoint] = true;
  const bool has_other = endpoints_.has_usable(failed_, now);
  failed_[endpoint] = had_failed || has_other;  // never all of them: then the round would be over
  return has_other;
}

std::vector<std::uint32_t> DialRounds::replace_endpoints(std::vector<Endpoint> endpoints) {
  auto added = endpoints_.replace(std::move(endpoints));
  failed_.resize(endpoints_.size());
  backoff_.reset();
  dial_after_ = Instant::min();
  begin_round();
  return added;
}

void DialRounds::begin_round() {
  failed_.assign(failed_.size(), false);
  ++round_;
}

}  // namespace marketprism::pool
