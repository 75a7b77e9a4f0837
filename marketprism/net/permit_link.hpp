#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/pool/permit_ledger.hpp"

namespace marketprism::net::detail {

/// Brings the ledger's notices, which come from any thread, to the pool's loop. A notice may be under way while pool
/// and loop go: the lock, which nobody else wants but then, keeps it from a loop that is gone.
class PermitLink final : public pool::PermitListener, public std::enable_shared_from_this<PermitLink> {
 public:
  /// `on_notice` is called on the loop, until `end`.
  PermitLink(async::EventLoop& loop, std::function<void(pool::PermitNotice)> on_notice)
      : loop_(&loop), on_notice_(std::move(on_notice)) {}

  void permit_notice(pool::PermitNotice notice) override {
    const std::lock_guard lock(mutex_);
    if (loop_ == nullptr) return;
    loop_->post([link = shared_from_this(), notice] {
      if (!link->has_ended_) link->on_notice_(notice);
    });
  }

  /// On the loop, or when it no longer runs: the pool is gone.
  void end() {
    has_ended_ = true;
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
  }

 private:
  std::mutex mutex_;
  async::EventLoop* loop_;  // null when the pool is gone
  std::function<void(pool::PermitNotice)> on_notice_;
  bool has_ended_ = false;  // touched on the loop only
};

}  // namespace marketprism::net::detail
