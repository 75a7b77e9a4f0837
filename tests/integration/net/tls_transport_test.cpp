#include "marketprism/net/tls_transport.hpp"

#include <gtest/gtest.h>

#include "marketprism/async/signal.hpp"
#include "tests/integration/net/loop_fixture.hpp"
#include "tests/integration/net/raw_peer.hpp"

namespace marketprism::net {
namespace {

class TlsTransportTest : public testing::Test, public LoopFixture {};

// The peer is gone: the kernel takes the first record, is answered with a reset, and refuses the second.
TEST_F(TlsTransportTest, a_write_that_fails_later_tells_what_went_out) {
  async::Signal closed(loop);
  RawPeer peer(loop, [this, &closed](Socket& socket) -> Task<> {
    auto accepted = co_await accept_tls(std::move(socket), server_context(), soon());
    EXPECT_TRUE(accepted);
    if (accepted) (*accepted)->close();
    closed.set();
  });
  ConnectTarget target;
  target.host = "localhost";
  target.port = peer.port();
  target.tls = client_context();
  const auto transport = run(connect(loop, std::move(target), soon()));
  ASSERT_TRUE(transport) << transport.error().to_string();
  run([](async::Signal& signal) -> Task<> { co_await signal.wait(); }(closed));
  const std::string bytes(40'000, 'x');
  const auto taken = (*transport)->write_now(bytes);
  ASSERT_TRUE(taken) << taken.error().to_string();
  EXPECT_EQ(*taken, 16U * 1024);
  EXPECT_FALSE((*transport)->write_now("more"));
}

}  // namespace
}  // namespace marketprism::net
