#include "marketprism/net/address_race.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "marketprism/async/signal.hpp"

namespace marketprism::net {
namespace {

// More answers of a name server than these are not tried.
constexpr std::size_t addresses_max = 32;

struct Attempt {
  Attempt(EventLoop& loop, const std::string& peer, const Socket::Endpoint& to) : socket(loop, peer), endpoint(to) {}
  Socket socket;
  Socket::Endpoint endpoint;
  std::optional<Error> error;
};

// Shared by the race and its attempts: a loser may end after the race.
struct Race {
  explicit Race(EventLoop& loop) : changed(loop) {}
  async::Signal changed;
  std::vector<std::unique_ptr<Attempt>> attempts;
  Attempt* winner = nullptr;
  bool is_over = false;

  void end() {
    is_over = true;
    for (const auto& attempt : attempts) {
      if (attempt.get() != winner) attempt->socket.close();
    }
  }
};

Task<> run(std::shared_ptr<Race> race, Attempt& attempt, AttemptSchedule& schedule, int receive_buffer_bytes) {
  auto connected = co_await attempt.socket.connect(attempt.endpoint, receive_buffer_bytes);
  if (race->is_over) {  // the schedule is gone
    attempt.socket.close();
    co_return;
  }
  if (connected) {
    if (race->winner == nullptr) race->winner = &attempt;
  } else {
    attempt.error = std::move(connected.error());
    schedule.failed();
  }
  race->changed.set();
}

// Ends the race when the coroutine that runs it ends, also when it is destroyed while it waits.
struct Finish {
  Race& race;
  ~Finish() { race.end(); }
};

Error describe_failures(const std::string& peer, const Race& race, std::size_t addresses) {
  Error last;
  std::string all;
  for (const auto& attempt : race.attempts) {
    if (!attempt->error) continue;
    last = *attempt->error;
    if (!all.empty()) all += "; ";
    // Each error begins with the peer's name, which stands in front of the whole already.
    const std::string& message = attempt->error->message;
    all += address_text(attempt->endpoint) + message.substr(message.starts_with(peer) ? peer.size() : 0);
  }
  if (addresses == 1) return last;
  return {last.code, peer + ": none of its " + std::to_string(addresses) + " addresses could be reached: " + all, false,
          nullptr};
}

Error describe_timeout(const std::string& peer, const Race& race) {
  std::string tried;
  for (const auto& attempt : race.attempts) tried += (tried.empty() ? "" : ", ") + address_text(attempt->endpoint);
  return {ErrorCode::timed_out,
          peer + ": connecting to " + tried + " took too long; check that the host is up and no firewall is between",
          false, nullptr};
}

}  // namespace

Addresses interleave_families(const Addresses& addresses) {
  if (addresses.empty()) return {};
  const bool begins_with_v6 = addresses.front().is_v6();
  Addresses first;
  Addresses second;
  for (const auto& address : addresses) (address.is_v6() == begins_with_v6 ? first : second).push_back(address);
  Addresses out;
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  return out;
}

Task<Result<Socket>> race_addresses(EventLoop& loop, std::string peer, Addresses addresses, std::uint16_t port,
                                    Instant deadline, AddressRaceOptions options) {
  addresses = interleave_families(addresses);
  if (addresses.size() > addresses_max) addresses.resize(addresses_max);
  AttemptSchedule schedule(addresses.size(), options.attempt_delay);
  const auto race = std::make_shared<Race>(loop);
  const Finish finish{*race};
  while (true) {
    while (const auto next = schedule.next(loop.refresh_now())) {
      const Socket::Endpoint endpoint(addresses[*next], port);
      race->attempts.push_back(std::make_unique<Attempt>(loop, peer, endpoint));
      loop.spawn(run(race, *race->attempts.back(), schedule, options.receive_buffer_bytes));
    }
    const auto outcome = co_await race->changed.wait(std::min(schedule.wake_at(), deadline));
    if (race->winner != nullptr) co_return std::move(race->winner->socket);
    if (outcome == async::Signal::Outcome::cancelled) co_return fail(ErrorCode::cancelled, peer + ": cancelled");
    if (schedule.is_lost()) co_return std::unexpected(describe_failures(peer, *race, addresses.size()));
    if (loop.refresh_now() >= deadline) co_return std::unexpected(describe_timeout(peer, *race));
  }
}

}  // namespace marketprism::net
