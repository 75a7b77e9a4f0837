#pragma once
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/pool/lease_pool.hpp"

namespace marketprism::pool {

using namespace std::chrono_literals;

/// Drives a LeasePool by hand. Dials wait in `dials_`, answers to waiters in `grants_` and `errors_`.
class LeasePoolTest : public testing::Test {
 protected:
  LeasePoolTest() {
    config_.name = "test";
    config_.max_size = 2;
    config_.min_size = 0;
    config_.lifetime_jitter = 0;
  }

  LeasePool& pool() {
    if (!pool_) {
      pool_ = std::make_unique<LeasePool>(config_, endpoints_);
      pool_->start(now_);
      take();
    }
    return *pool_;
  }

  void take() {
    while (auto action = pool_->next_action()) {
      if (const auto* dial = std::get_if<Dial>(&*action)) dials_.push_back(*dial);
      if (const auto* abort = std::get_if<AbortDial>(&*action)) {
        aborted_.push_back(abort->connection);
        begin_close(abort->connection);
      }
      if (const auto* check = std::get_if<Check>(&*action)) checks_.push_back(check->connection);
      if (const auto* close = std::get_if<Close>(&*action)) {
        closed_.push_back(*close);
        begin_close(close->connection);
      }
      if (const auto* cut = std::get_if<Cut>(&*action)) cut_.push_back(cut->connection);
      if (const auto* broken = std::get_if<Break>(&*action)) broken_.push_back(broken->connection);
      if (const auto* grant = std::get_if<Grant>(&*action)) grants_.push_back(*grant);
      if (const auto* reject = std::get_if<Reject>(&*action)) errors_.push_back(reject->error);
      if (const auto* overdue = std::get_if<Overdue>(&*action)) overdue_.push_back(*overdue);
      if (const auto* drained = std::get_if<Drained>(&*action)) drained_ = *drained;
    }
  }

  void begin_close(ConnectionHandle connection) {
    if (closes_at_once_) {
      pool_->closed(connection, now_);
    } else {
      closing_.push_back(connection);
    }
  }

  void finish_closes() {
    for (const auto connection : std::exchange(closing_, {})) EXPECT_TRUE(pool_->closed(connection, now_));
    take();
  }

  void pass(Nanoseconds time) {
    now_ += time;
    pool().tick(now_);
    take();
  }

  WaiterHandle wait(Nanoseconds timeout = 10s) {
    const auto waiter = pool().wait(now_, timeout);
    EXPECT_TRUE(waiter);
    take();
    return waiter.value_or(WaiterHandle{});
  }

  ConnectionHandle finish_dial(Nanoseconds took = 10ms) {
    now_ += took;
    const ConnectionHandle handle = dials_.front().connection;
    dials_.erase(dials_.begin());
    EXPECT_TRUE(pool().dialed(handle, now_));
    take();
    return handle;
  }

  void fail_dial(bool is_terminal = false) {
    const ConnectionHandle handle = dials_.front().connection;
    dials_.erase(dials_.begin());
    pool().dial_failed(handle,
                       Error{ErrorCode::connection_refused, "nobody listens at venue:443", is_terminal, nullptr}, now_);
    take();
  }

  /// A connection that is up and lent.
  ConnectionHandle lent() {
    wait();
    finish_dial();
    const ConnectionHandle handle = grants_.back().connection;
    grants_.clear();
    return handle;
  }

  PoolConfig config_;
  std::vector<Endpoint> endpoints_{{"venue", 443, true, "", 0, 1}};
  std::unique_ptr<LeasePool> pool_;
  Instant now_{1000s};
  std::vector<Dial> dials_;
  std::vector<ConnectionHandle> aborted_, checks_, broken_, cut_;
  std::vector<ConnectionHandle> closing_;  // their sockets are open still
  bool closes_at_once_ = true;
  std::vector<Close> closed_;
  std::vector<Grant> grants_;
  std::vector<Error> errors_;
  std::vector<Overdue> overdue_;
  std::optional<Drained> drained_;
};

}  // namespace marketprism::pool
