#pragma once
#include <memory>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/pool/slot_pool.hpp"

namespace marketprism::pool {

using namespace std::chrono_literals;

/// Drives a SlotPool by hand: dials succeed and subscriptions are confirmed when asked to.
class SlotPoolTest : public testing::Test {
 protected:
  SlotPoolTest() {
    config_.name = "streams";
    config_.max_size = 4;
    config_.min_size = 0;
    config_.lifetime_jitter = 0;
    config_.max_lifetime = 3600s;
    slots_.streams_per_connection = 3;
    slots_.streams_per_message = 2;
    slots_.messages = {10, 1s, 10};
  }

  void begin() {
    pool_ = std::make_unique<SlotPool>(config_, slots_, endpoints_);
    pool_->start(now_);
  }

  std::vector<StreamHandle> place(int count, Nanoseconds silence_limit = 0s) {
    std::vector<StreamHandle> placed;
    for (int i = 0; i < count; ++i) placed.push_back(pool_->place(now_, silence_limit).value());
    return placed;
  }

  void take() {
    while (auto action = pool_->next_action()) {
      if (const auto* dial = std::get_if<SlotDial>(&*action)) dials_.push_back(dial->connection);
      if (const auto* close = std::get_if<SlotClose>(&*action)) {
        closed_.push_back(*close);
        begin_close(close->connection);
      }
      if (const auto* abort = std::get_if<SlotAbortDial>(&*action)) begin_close(abort->connection);
      if (const auto* cut = std::get_if<SlotCut>(&*action)) cut_.push_back(cut->connection);
      if (const auto* ask = std::get_if<Subscribe>(&*action)) asked_.push_back(*ask);
      if (const auto* drop = std::get_if<Unsubscribe>(&*action)) dropped_.push_back(*drop);
      if (const auto* up = std::get_if<StreamUp>(&*action)) up_.push_back(*up);
      if (const auto* down = std::get_if<StreamDown>(&*action)) down_.push_back(*down);
      if (const auto* end = std::get_if<StreamEnd>(&*action)) ended_.push_back(*end);
    }
  }

  void begin_close(SlotConnection connection) {
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

  void pass(Nanoseconds time = 0s) {
    now_ += time;
    pool_->tick(now_);
    take();
  }

  void dials_succeed() {
    for (const auto connection : std::exchange(dials_, {})) EXPECT_TRUE(pool_->dialed(connection, now_));
    pass();
  }

  void confirm() {
    for (const auto& ask : std::exchange(asked_, {})) {
      for (const auto stream : ask.streams) pool_->subscribed(ask.connection, stream, now_);
    }
    take();
  }

  void bring_up() {
    pass();
    for (int i = 0; i < 10 && !dials_.empty(); ++i) dials_succeed();
    for (int i = 0; i < 10; ++i) {
      confirm();
      pass();
    }
  }

  PoolConfig config_;
  SlotConfig slots_;
  std::vector<Endpoint> endpoints_{{"venue", 443, true, "/ws", 0, 1}};
  std::unique_ptr<SlotPool> pool_;
  Instant now_{1000s};
  std::vector<SlotConnection> dials_;
  std::vector<SlotClose> closed_;
  std::vector<SlotConnection> closing_;  // their sockets are open still
  std::vector<SlotConnection> cut_;
  bool closes_at_once_ = true;
  std::vector<Subscribe> asked_;
  std::vector<Unsubscribe> dropped_;
  std::vector<StreamUp> up_;
  std::vector<StreamDown> down_;
  std::vector<StreamEnd> ended_;
};

}  // namespace marketprism::pool
