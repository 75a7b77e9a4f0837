#pragma once
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "marketprism/net/deadline.hpp"
#include "marketprism/net/dns.hpp"
#include "marketprism/net/socket.hpp"

namespace marketprism::net {

/// The families in turn, IPv6 and IPv4, beginning with that of the first; within a family the order stays (RFC 8305,
/// section 4): one family that does not work costs one delay, not one for each of its addresses.
Addresses interleave_families(const Addresses& addresses);

/// When which attempt to connect begins (RFC 8305, section 5): the next one `delay` after the last began, or at once
/// when an attempt has failed. Sans-I/O.
class AttemptSchedule {
 public:
  AttemptSchedule(std::size_t addresses, Nanoseconds delay) : addresses_(addresses), delay_(delay) {}

  /// The attempt that is due, by number; call until there is none.
  [[nodiscard]] std::optional<std::size_t> next(Instant now) {
    if (begun_ == addresses_ || now < next_at_) return std::nullopt;
    next_at_ = detail::deadline_after(now, delay_);
    return begun_++;
  }
  void failed() {
    ++failed_;
    next_at_ = Instant::min();
  }
  /// When `next` has something again, if nothing fails before.
  [[nodiscard]] Instant wake_at() const { return begun_ == addresses_ ? Instant::max() : next_at_; }
  [[nodiscard]] std::size_t begun() const { return begun_; }
  /// All have failed.
  [[nodiscard]] bool is_lost() const { return failed_ == addresses_; }

 private:
  std::size_t addresses_;
  Nanoseconds delay_;
  Instant next_at_ = Instant::min();
  std::size_t begun_ = 0;
  std::size_t failed_ = 0;
};

struct AddressRaceOptions {
  Nanoseconds attempt_delay = std::chrono::milliseconds(250);
  int receive_buffer_bytes = 0;  ///< SO_RCVBUF; 0: the system's
};

/// Connects to one of the addresses, which race: the first that is connected wins, the others are closed at once.
/// `peer` names the socket in errors. The error tells what each address said: `timed_out`, `cancelled`, or that of the
/// last.
Task<Result<Socket>> race_addresses(EventLoop& loop, std::string peer, Addresses addresses, std::uint16_t port,
                                    Instant deadline, AddressRaceOptions options);

}  // namespace marketprism::net
