#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "marketprism/pool/shared_slot.hpp"

namespace marketprism::pool {

/// What the ledger tells a member; see `PermitLedger::join`.
enum class PermitNotice : std::uint8_t {
  granted,   ///< a permit the member asked for is reserved for it: call `try_take`
  shortage,  ///< another member needs a permit: close an idle connection if there is one
};

/// A member's ear. `permit_notice` is called on any member's thread, while that one takes or gives back: it posts to
/// the own loop and does nothing else.
class PermitListener {
 public:
  virtual ~PermitListener() = default;
  virtual void permit_notice(PermitNotice notice) = 0;
};

/// Permits to open connections, shared by the pools of several event loops, so that max_size holds over all of them. A
/// member that finds none left is put in line (one request each) and told when a permit has been reserved for it;
/// permits go round the members in turn, so none starves. Any thread, no lock held while a listener is told. Made
/// before its members, destroyed after them.
class PermitLedger {
 public:
  explicit PermitLedger(std::uint32_t permits, std::uint32_t max_members = 64);
  PermitLedger(const PermitLedger&) = delete;
  PermitLedger& operator=(const PermitLedger&) = delete;

  /// Registers a pool; returns its member number, or `no_member` when max_members have joined. Never gives notice to a
  /// null listener.
  std::uint32_t join(std::shared_ptr<PermitListener> listener);
  static constexpr std::uint32_t no_member = 0xffff'ffff;

  /// Takes a permit. False: none is left for this member; it is now in line and will be told. Others are asked to give
  /// one up, unless the member knows of one that is coming (`may_ask` false).
  bool try_take(std::uint32_t member, bool may_ask = true);

  /// Takes a permit that nobody needs. False: there is none; the member is not put in line, and nobody is asked to give
  /// one up.
  bool try_take_spare(std::uint32_t member);

  /// Returns a permit that was taken, when the socket of its connection is closed.
  void give_back(std::uint32_t member);

  /// Leaves the line, and passes on a permit that was reserved but not taken.
  void withdraw(std::uint32_t member);

  /// Leaves the ledger; the number may go to another member. The member must hold no permit. A notice that is under way
  /// keeps the listener alive.
  void leave(std::uint32_t member);

  /// Changes the number of permits, to at least 1. Permits that are out stay valid; where there are too many now,
  /// members are told of the shortage, and what they give back is not given out again until the number is right.
  void resize(std::uint32_t permits);

  /// True while some member waits for a permit. One relaxed load: fit for every release.
  bool has_waiting() const { return waiting_.load(std::memory_order_relaxed) > 0; }
  /// The same, or more permits are out than there should be: what is given back now does not stay.
  bool is_short() const { return has_waiting() || surplus_.load(std::memory_order_relaxed) > 0; }
  /// How many permits members wait for, or should not be out. What a member is giving up already counts against it.
  std::uint32_t shortage() const {
    const std::int32_t waiting = waiting_.load(std::memory_order_relaxed);
    return surplus_.load(std::memory_order_relaxed) + static_cast<std::uint32_t>(waiting > 0 ? waiting : 0);
  }
  std::uint32_t total() const { return total_.load(); }
  /// Permits that are out though the ledger was made smaller.
  std::uint32_t surplus() const { return surplus_.load(); }
  /// Not taken and not reserved.
  std::uint32_t available() const { return static_cast<std::uint32_t>(available_.load()); }
  std::uint32_t held(std::uint32_t member) const { return members_[member].held.load(); }

 private:
  // One cache line each, so that members do not disturb each other.
  struct alignas(64) Member {
    std::atomic<bool> is_taken{false};
    SharedSlot<PermitListener> listener;
    std::atomic<std::uint32_t> wants{0};  // 0 or 1
    std::atomic<std::uint32_t> reserved{0};
    std::atomic<std::uint32_t> held{0};
  };

  static bool decrement(std::atomic<std::uint32_t>& value);
  bool take_reserved(Member& member);
  void put_back();
  void settle_surplus();
  void hand_out();
  bool reserve_for_next();
  void tell(Member& member, PermitNotice notice);
  void announce_shortage(std::uint32_t from);

  std::atomic<std::uint32_t> total_;
  const std::uint32_t max_members_;
  std::unique_ptr<Member[]> members_;
  alignas(64) std::atomic<std::uint32_t> available_;
  std::atomic<std::uint32_t> surplus_{0};
  std::atomic<std::int32_t> waiting_{0};  // may be -1 for the moment between two steps of try_take
  std::atomic<std::uint32_t> members_used_{0};
  std::atomic<std::uint32_t> cursor_{0};
};

}  // namespace marketprism::pool
