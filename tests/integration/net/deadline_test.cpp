#include "marketprism/net/deadline.hpp"

#include <cstring>

#include <gtest/gtest.h>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/websocket_connection.hpp"
#include "marketprism/wire/websocket_frame.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;

class DeadlineTest : public testing::Test, public LoopFixture {};

// Its first cancel comes too late, as for a read that is completed and queued.
struct HardOfHearing {
  explicit HardOfHearing(async::EventLoop& loop) : cancelled(loop) {}
  void cancel() {
    if (++cancels > 1) cancelled.set();
  }
  async::Signal cancelled;
  int cancels = 0;
};

TEST_F(DeadlineTest, CancelsUntilItIsHeard) {
  HardOfHearing target(loop);
  run([](async::EventLoop& l, HardOfHearing& t) -> Task<> {
    const Deadline guard(l, l.refresh_now(), t);
    const auto outcome = co_await t.cancelled.wait(l.now() + 20s);
    EXPECT_EQ(outcome, async::Signal::Outcome::set);
    EXPECT_TRUE(guard.has_passed());
  }(loop, target));
  EXPECT_EQ(target.cancels, 2);
  run([](async::EventLoop& l) -> Task<> { co_await l.sleep_for(50ms); }(loop));
  EXPECT_EQ(target.cancels, 2);  // the guard is gone
}

// A peer that streams on instead of answering the close, and then stalls: a cancelled read still brings a message.
class StallingTransport final : public Transport {
 public:
  explicit StallingTransport(async::EventLoop& loop) : Transport(loop, {}), ready_(loop) {}
  Task<Result<std::size_t>> read_some(std::span<std::byte> buffer) override {
    co_await ready_.wait();
    if (!is_open_ || reads_++ > 0) co_return fail(ErrorCode::cancelled, "cancelled");
    std::string frame;
    wire::append_frame(frame, wire::WebSocketFrameHeader(), "x");
    std::memcpy(buffer.data(), frame.data(), frame.size());
    co_return frame.size();
  }
  Task<Result<>> write(std::span<const std::string_view>) override { co_return Result<>(); }
  Result<std::size_t> write_now(std::string_view bytes) override { return bytes.size(); }
  [[nodiscard]] bool has_unsent() const override { return false; }
  Task<Result<>> shutdown() override { co_return Result<>(); }
  void cancel() override {
    if (ready_.has_waiter()) ready_.set();
  }
  void close() override {
    is_open_ = false;
    cancel();
  }
  [[nodiscard]] bool is_open() const override { return is_open_; }
  Task<> wait_for_end() override { co_return; }
  [[nodiscard]] bool has_ended() override { return false; }
  [[nodiscard]] bool has_unread() override { return false; }

 private:
  async::Signal ready_;
  int reads_ = 0;
  bool is_open_ = true;
};

TEST_F(DeadlineTest, AWebSocketCloseEndsThoughThePeerStreamsAndStalls) {
  auto transport = std::make_unique<StallingTransport>(loop);
  WebSocketConnection connection(std::move(transport), WebSocketRole::client, {});
  bool has_ended = false;
  loop.spawn([](WebSocketConnection& c, async::EventLoop& l, bool& ended) -> Task<> {
    const auto closed = co_await c.close(WebSocketCloseCode::normal, "", l.refresh_now() + 20ms);
    EXPECT_EQ(closed.error().code, ErrorCode::timed_out);
    ended = true;
  }(connection, loop, has_ended));
  run([](async::EventLoop& l, bool& ended) -> Task<> {
    for (int i = 0; i < 2'000 && !ended; ++i) co_await l.sleep_for(2ms);
  }(loop, has_ended));
  EXPECT_TRUE(has_ended);
}

}  // namespace
}  // namespace marketprism::net
