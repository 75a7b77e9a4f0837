#include "marketprism/net/tls_engine.hpp"

#include <array>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"
#include "marketprism/net/self_signed.hpp"
#include "tests/unit/net/tls_pair.hpp"

namespace marketprism::net {
namespace {

using testing::HasSubstr;

TEST(TlsEngineTest, carries_bytes_both_ways_in_pieces_of_any_size) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, SIZE_MAX}) {
    Pair pair(trusting(certificates()), serving(certificates()));
    ASSERT_TRUE(pair.shake_hands(piece)) << (pair.failure ? pair.failure->message : "");
    EXPECT_EQ(pair.client.version(), "TLSv1.3");
    const std::string big(100'000, 'x');
    ASSERT_TRUE(pair.client.write(big));
    ASSERT_TRUE(pair.server.write("answer"));
    pair.carry(piece);
    EXPECT_EQ(read_all(pair.server), big);
    EXPECT_EQ(read_all(pair.client), "answer");
  }
}

TEST(TlsEngineTest, takes_up_an_earlier_session_with_the_same_server_only) {
  const TlsContextPtr client = trusting(certificates());
  const TlsContextPtr server = serving(certificates());
  for (const bool again : {false, true, true, true, true, true}) {
    Pair pair(client, server);
    ASSERT_TRUE(pair.shake_hands());
    EXPECT_EQ(pair.client.was_resumed(), again);
    pair.carry();
    EXPECT_EQ(read_all(pair.client), "");  // takes the tickets in
  }
  Pair other_name(client, server, "127.0.0.1");
  ASSERT_TRUE(other_name.shake_hands());
  EXPECT_FALSE(other_name.client.was_resumed());
  // A host the certificate is not for gains nothing from the sessions of one it is for.
  Pair wrong(client, server, "other.example");
  EXPECT_FALSE(wrong.shake_hands());
  // A server that knows nothing of the session falls back to the long handshake.
  Pair restarted(client, serving(certificates()));
  ASSERT_TRUE(restarted.shake_hands());
  EXPECT_FALSE(restarted.client.was_resumed());
}

TEST(TlsEngineTest, tells_a_goodbye_from_a_cut) {
  for (const bool says_goodbye : {true, false}) {
    Pair pair(trusting(certificates()), serving(certificates()));
    ASSERT_TRUE(pair.shake_hands());
    if (says_goodbye) pair.server.say_goodbye();
    pair.carry();
    pair.client.end_of_stream();
    std::array<std::byte, 10> buffer;
    const auto count = pair.client.read(buffer);
    ASSERT_FALSE(count);
    EXPECT_EQ(count.error().code, says_goodbye ? ErrorCode::connection_closed : ErrorCode::connection_reset);
  }
}

std::string failure_of(const TlsContextPtr& client, const TlsContextPtr& server, std::string_view name = "localhost") {
  Pair pair(client, server, name);
  EXPECT_FALSE(pair.shake_hands());
  if (!pair.failure) return "none";
  EXPECT_EQ(pair.failure->code, ErrorCode::tls_failed);
  return (pair.failure->is_terminal ? "terminal " : "") + pair.failure->message;
}

TEST(TlsEngineTest, names_what_is_wrong_with_a_certificate) {
  EXPECT_THAT(failure_of(trusting(certificates()), serving(certificates()), "other.example"),
              testing::AllOf(HasSubstr("terminal client:1: the server's certificate is for localhost"),
                             HasSubstr("127.0.0.1"), HasSubstr("not for other.example")));
  EXPECT_THAT(failure_of(trusting(certificates()), serving(certificates()), "127.0.0.2"),
              HasSubstr("not for 127.0.0.2"));
  SelfSignedOptions expired;
  expired.valid_from = -std::chrono::hours(48);
  expired.valid_for = std::chrono::hours(24);
  const SelfSigned old = make_self_signed(expired).value();
  EXPECT_THAT(failure_of(trusting(old), serving(old)),
              HasSubstr("terminal client:1: the server's certificate expired on"));
  SelfSignedOptions future;
  future.valid_from = std::chrono::hours(24);
  const SelfSigned early = make_self_signed(future).value();
  EXPECT_THAT(failure_of(trusting(early), serving(early)), HasSubstr("is not valid yet"));
  EXPECT_THAT(failure_of(trusting(certificates()), serving(old)),
              testing::AllOf(HasSubstr("authority that is not trusted here"), HasSubstr("throw-away authority"),
                             HasSubstr("CA file")));
}

TEST(TlsEngineTest, checks_ip_addresses_and_names_alike) {
  for (const std::string_view name : {"localhost", "127.0.0.1", "::1"}) {
    Pair pair(trusting(certificates()), serving(certificates()), name);
    EXPECT_TRUE(pair.shake_hands()) << name;
  }
}

TEST(TlsEngineTest, knows_a_peer_that_speaks_no_tls) {
  TlsEngine client(trusting(certificates()), "localhost", "plain:80");
  ASSERT_TRUE(client.shake_hands());
  give(client, "HTTP/1.1 400 Bad Request\r\n\r\n");
  const auto progress = client.shake_hands();
  ASSERT_FALSE(progress);
  EXPECT_THAT(progress.error().message, HasSubstr("does not speak TLS"));
}

TEST(TlsEngineTest, a_cut_handshake_is_a_reset) {
  TlsEngine client(trusting(certificates()), "localhost", "cut:443");
  ASSERT_TRUE(client.shake_hands());
  client.end_of_stream();
  const auto progress = client.shake_hands();
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().code, ErrorCode::connection_reset);
  EXPECT_THAT(progress.error().message, HasSubstr("cut:443: the peer cut the connection in the TLS handshake"));
}

TEST(TlsEngineTest, survives_garbage) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    Pair pair(trusting(certificates()), serving(certificates()));
    ASSERT_TRUE(pair.shake_hands());
    ASSERT_TRUE(pair.server.write(std::string(300, 'x')));
    std::string bytes = std::exchange(pair.server.outgoing(), "");
    bytes[random.below(bytes.size())] ^= static_cast<char>(1 + random.below(255));
    give(pair.client, bytes);
    pair.client.end_of_stream();
    std::array<std::byte, 1000> buffer;
    auto count = pair.client.read(buffer);
    if (count) count = pair.client.read(buffer);
    ASSERT_FALSE(count) << "seed " << seed;  // a changed byte is never taken for data, an end never for an orderly one
    EXPECT_NE(count.error().code, ErrorCode::connection_closed) << "seed " << seed;
  }
}

TEST(TlsContextTest, names_bad_files_and_texts) {
  TlsClientOptions client;
  client.ca_file = "/does/not/exist.pem";
  auto made = TlsContext::make_client(client);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::not_found);
  EXPECT_THAT(made.error().message, HasSubstr("/does/not/exist.pem"));
  client.ca_file.clear();
  client.ca_pem = "no PEM";
  made = TlsContext::make_client(client);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::malformed);

  TlsServerOptions server = certificates().server_options();
  server.key_pem = make_self_signed().value().key_pem;
  made = TlsContext::make_server(server);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("does not belong to the certificate"));
  server.key_pem = "x";
  EXPECT_FALSE(TlsContext::make_server(server));
  server.certificate_pem = "x";
  EXPECT_FALSE(TlsContext::make_server(server));
}

TEST(SelfSignedTest, refuses_hosts_that_cannot_be_named) {
  SelfSignedOptions options;
  options.hosts = {};
  EXPECT_FALSE(make_self_signed(options));
  EXPECT_FALSE(certificates().write_files("/does/not/exist"));
}

}  // namespace
}  // namespace marketprism::net
