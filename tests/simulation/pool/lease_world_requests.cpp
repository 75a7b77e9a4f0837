// What users tell the pool of their requests.
#include <algorithm>

#include "tests/simulation/pool/lease_world.hpp"

namespace marketprism::simulation {

// A failure leads the next attempt elsewhere, or says that there is nowhere else.
void LeaseWorld::end_request(std::uint32_t which, bool is_ok) {
  const Wire* const used = pick(which, {Wire::held}, false);
  if (used == nullptr) return;
  const std::uint32_t endpoint = used->endpoint;
  if (is_ok) return pool_->report_success(endpoint, now_);
  has_failed_since_success_ = true;
  blamed_ = endpoint;
  const bool has_other = pool_->report_failure(endpoint, now_);
  take_actions();
  blamed_.reset();
  const bool is_only_one = std::none_of(set_.begin(), set_.end(), [&](const pool::Endpoint& one) {
    return one.name() != pool_->endpoints()[endpoint].name();
  });
  require(!has_other || !is_only_one, "a failed request was led to another endpoint where there is none");
  const bool is_lent_again = std::any_of(wires_.begin(), wires_.end(), [&](const Wire& any) {
    return any.state == Wire::unused && any.endpoint == endpoint && !any.is_half_open;
  });
  require(!has_other || !is_lent_again, "a failed request would be sent again to the same endpoint");
}

}  // namespace marketprism::simulation
