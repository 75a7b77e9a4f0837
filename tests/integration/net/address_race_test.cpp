// Connecting to names with several addresses, some of which refuse, some of which never answer.
#include "marketprism/net/address_race.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/connector.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/open_files.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;

/// An address of this machine that takes the first packet of a connection and never answers: a listening socket whose
/// queue is full.
class BlackHole {
 public:
  BlackHole(const char* address, std::uint16_t port) {
    to_.sin_family = AF_INET;
    to_.sin_port = htons(port);
    inet_pton(AF_INET, address, &to_.sin_addr);
    const int one = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    EXPECT_EQ(bind(listener_, reinterpret_cast<const sockaddr*>(&to_), sizeof to_), 0);
    EXPECT_EQ(listen(listener_, 0), 0);
    for (int& filler : fillers_) {
      filler = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      static_cast<void>(::connect(filler, reinterpret_cast<const sockaddr*>(&to_), sizeof to_));
    }
  }
  ~BlackHole() {
    for (const int filler : fillers_) ::close(filler);
    ::close(listener_);
  }
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;

 private:
  sockaddr_in to_{};
  int listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
  int fillers_[3] = {-1, -1, -1};
};

Task<> hold(Socket& socket) { co_await read_to_end(socket); }

class AddressRaceTest : public testing::Test, public LoopFixture {
 protected:
  using Boxed = Result<std::unique_ptr<Socket>>;
  static Task<Boxed> boxed(Task<Result<Socket>> racing) {
    auto socket = co_await std::move(racing);
    if (!socket) co_return std::unexpected(std::move(socket.error()));
    co_return std::make_unique<Socket>(std::move(*socket));
  }
  Boxed race(std::initializer_list<const char*> texts, std::uint16_t port, Nanoseconds delay,
             std::optional<Instant> deadline = {}) {
    Addresses addresses;
    for (const char* text : texts) addresses.push_back(boost::asio::ip::make_address(text));
    AddressRaceOptions options;
    options.attempt_delay = delay;
    return run(boxed(race_addresses(loop, "venue:443", addresses, port, deadline.value_or(soon()), options)));
  }
  // Until what was closed is gone, also from the kernel's side of the loop.
  void turn() {
    run([](async::EventLoop& l) -> Task<> {
      boost::asio::use_awaitable_t<async::Executor> token;
      for (int i = 0; i < 10; ++i) co_await boost::asio::post(l.executor(), token);
    }(loop));
  }
};

TEST_F(AddressRaceTest, AnAddressThatNeverAnswersCostsOneDelayAndIsClosed) {
  RawPeer peer(loop, hold);
  const BlackHole hole("127.0.0.2", peer.port());
  const std::size_t before = open_sockets();
  {
    auto socket = race({"127.0.0.2", "127.0.0.1"}, peer.port(), 20ms);
    ASSERT_TRUE(socket) << socket.error().to_string();
    EXPECT_EQ((*socket)->remote_address(), "127.0.0.1:" + std::to_string(peer.port()));
    turn();
    EXPECT_EQ(open_sockets(), before + 2);  // ours and the peer's: the loser is closed
  }
  turn();
  EXPECT_EQ(open_sockets(), before);
}

TEST_F(AddressRaceTest, ARefusalBeginsTheNextAtOnce) {
  RawPeer peer(loop, hold);
  // With this delay the test would end in its deadline if a refusal had to wait for it.
  const auto socket = race({"127.0.0.2", "::1", "127.0.0.3", "127.0.0.1"}, peer.port(), 1h);
  ASSERT_TRUE(socket) << socket.error().to_string();
  EXPECT_EQ(peer.connections(), 0);  // it has not been accepted yet, but it is connected
  EXPECT_EQ((*socket)->remote_address(), "127.0.0.1:" + std::to_string(peer.port()));
}

TEST_F(AddressRaceTest, TheFirstThatIsConnectedWinsAndNoOtherIsBegun) {
  RawPeer peer(loop, hold);
  const std::size_t before = open_sockets();
  const auto socket = race({"127.0.0.1", "127.0.0.2"}, peer.port(), 1h);
  ASSERT_TRUE(socket);
  EXPECT_LE(open_sockets(), before + 2);
  EXPECT_EQ((*socket)->remote_address(), "127.0.0.1:" + std::to_string(peer.port()));
}

TEST_F(AddressRaceTest, WhenAllFailEachIsNamed) {
  std::uint16_t port = 0;
  {
    const RawPeer gone(loop, hold);
    port = gone.port();
  }
  turn();
  const auto refused = race({"127.0.0.2", "127.0.0.1"}, port, 250ms);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::connection_refused);
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("venue:443: none of its 2 addresses could be reached"), HasSubstr("127.0.0.1:"),
                    HasSubstr("127.0.0.2:"), HasSubstr("nothing listens there")));
}

TEST_F(AddressRaceTest, TheDeadlineEndsAllAttempts) {
  RawPeer unused(loop, hold);
  const BlackHole first("127.0.0.2", unused.port());
  const BlackHole second("127.0.0.3", unused.port());
  const std::size_t before = open_sockets();
  const auto late = race({"127.0.0.2", "127.0.0.3"}, unused.port(), 1ms, loop.refresh_now() + 60ms);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::timed_out);
  EXPECT_THAT(late.error().message, AllOf(HasSubstr("127.0.0.2:"), HasSubstr("127.0.0.3:"), HasSubstr("too long")));
  turn();
  EXPECT_EQ(open_sockets(), before);
}

TEST_F(AddressRaceTest, CancellationClosesAllAttempts) {
  RawPeer unused(loop, hold);
  const BlackHole first("127.0.0.2", unused.port());
  const std::size_t before = open_sockets();
  boost::asio::cancellation_signal cancel;
  std::optional<ErrorCode> outcome;
  const Addresses addresses(1, boost::asio::ip::make_address("127.0.0.2"));
  boost::asio::co_spawn(
      loop.context(), boxed(race_addresses(loop, "venue:443", addresses, unused.port(), soon(), {})),
      boost::asio::bind_cancellation_slot(cancel.slot(), [&](const std::exception_ptr&, Boxed result) {
        outcome = result ? ErrorCode{} : result.error().code;
      }));
  turn();
  EXPECT_EQ(open_sockets(), before + 1);
  cancel.emit(boost::asio::cancellation_type::terminal);
  turn();
  EXPECT_EQ(outcome, ErrorCode::cancelled);
  EXPECT_EQ(open_sockets(), before);
}

TEST_F(AddressRaceTest, TheLoopMayEndInTheMiddleOfARace) {
  RawPeer unused(loop, hold);
  const BlackHole first("127.0.0.2", unused.port());
  const std::size_t before = open_sockets();
  {
    async::EventLoop other;
    const Addresses addresses(1, boost::asio::ip::make_address("127.0.0.2"));
    other.spawn([](async::EventLoop& l, Addresses all, std::uint16_t port) -> Task<> {
      const AddressRaceOptions options;
      const auto never = co_await race_addresses(l, "venue:443", std::move(all), port, Instant::max(), options);
      ADD_FAILURE() << never.has_value();
    }(other, addresses, unused.port()));
    async::block_on(other, [](async::EventLoop& l) -> Task<> { co_await l.sleep_for(5ms); }(other));
    EXPECT_GT(open_sockets(), before);
  }
  EXPECT_EQ(open_sockets(), before);
}

TEST_F(AddressRaceTest, ConnectTakesTheAddressesFromTheCacheAndDoubtsThemWhenAllFail) {
  RawPeer peer(loop, hold);
  std::vector<std::string> answers{"127.0.0.2", "127.0.0.1"};
  DnsCacheOptions options;
  options.resolver = [&answers](async::EventLoop& l, std::string, Instant) -> Task<Result<Addresses>> {
    boost::asio::use_awaitable_t<async::Executor> token;
    co_await boost::asio::post(l.executor(), token);
    const std::string next = answers.front();
    if (answers.size() > 1) answers.erase(answers.begin());
    co_return Addresses(1, boost::asio::ip::make_address(next));
  };
  ConnectTarget target;
  target.host = "moved.example";
  target.port = peer.port();
  target.route.dns = std::make_shared<DnsCache>(loop, options);
  const auto refused = run(connect(loop, target, soon()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::connection_refused);
  EXPECT_FALSE(run(connect(loop, target, soon())));  // still the old address, while a look-up is under way
  turn();
  const auto connected = run(connect(loop, target, soon()));
  ASSERT_TRUE(connected) << connected.error().to_string();
  EXPECT_EQ((*connected)->info().peer, "moved.example:" + std::to_string(peer.port()));
}

}  // namespace
}  // namespace marketprism::net
