// Uses marketprism::pool (and base under it) from an installed package, with a clock of its own.
#include <chrono>
#include <cstdio>
#include <marketprism/base/decimal.hpp>
#include <marketprism/base/error.hpp>
#include <marketprism/pool/circuit_breaker.hpp>
#include <marketprism/pool/rate_limiter.hpp>

using namespace std::chrono_literals;

int main() {
  const marketprism::Instant start{};
  marketprism::pool::TokenBucket bucket({.count = 2, .interval = 1s});
  const bool limited =
      bucket.try_take(start) && bucket.try_take(start) && !bucket.try_take(start) && bucket.try_take(start + 1s);

  marketprism::pool::CircuitBreaker breaker({.failures_to_open = 1});
  breaker.failed(*breaker.allow(start), start);

  const marketprism::Error error{marketprism::ErrorCode::rate_limited, "later"};
  std::printf("%s %s %s\n", marketprism::Decimal::of("0.10").to_string().c_str(), error.to_string().c_str(),
              std::string(marketprism::pool::name_of(breaker.state(start))).c_str());
  return limited && !breaker.allow(start) ? 0 : 1;
}
