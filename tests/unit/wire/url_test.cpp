#include "marketprism/wire/url.hpp"

#include <gtest/gtest.h>

namespace marketprism::wire {
namespace {

TEST(Url, TakesAUrlApart) {
  const auto url = parse_url("WSS://me:p%40ss@Stream.Example.COM:9443/ws/btcusdt@trade?a=1&b=%20");
  ASSERT_TRUE(url) << url.error().message;
  EXPECT_EQ(url->scheme, "wss");
  EXPECT_EQ(url->user, "me");
  EXPECT_EQ(url->password, "p@ss");
  EXPECT_EQ(url->host, "stream.example.com");
  EXPECT_EQ(url->port, 9443);
  EXPECT_EQ(url->path, "/ws/btcusdt@trade");
  EXPECT_EQ(url->query, "a=1&b=%20");
  EXPECT_EQ(url->target(), "/ws/btcusdt@trade?a=1&b=%20");
  EXPECT_TRUE(url->is_secure());
  EXPECT_EQ(url->to_string(), "wss://stream.example.com:9443/ws/btcusdt@trade?a=1&b=%20") << "without the password";
}

TEST(Url, KnowsPortsAndTargets) {
  struct Row {
    const char* text;
    const char* host;
    int port;
    const char* target;
    const char* host_header;
    const char* host_and_port;
  };
  const Row rows[] = {
      {"http://a", "a", 80, "/", "a", "a:80"},
      {"https://a", "a", 443, "/", "a", "a:443"},
      {"ws://a/", "a", 80, "/", "a", "a:80"},
      {"wss://a/x", "a", 443, "/x", "a", "a:443"},
      {"wss://a:443/x", "a", 443, "/x", "a", "a:443"},
      {"wss://a:80", "a", 80, "/", "a:80", "a:80"},
      {"http://a?b", "a", 80, "/?b", "a", "a:80"},
      {"http://a/?", "a", 80, "/?", "a", "a:80"},
      {"http://a/b?c?d/e", "a", 80, "/b?c?d/e", "a", "a:80"},
      {"http://a/#part", "a", 80, "/", "a", "a:80"},
      {"http://a#part?x", "a", 80, "/", "a", "a:80"},
      {"http://127.0.0.1:8080/", "127.0.0.1", 8080, "/", "127.0.0.1:8080", "127.0.0.1:8080"},
      {"http://[::1]", "::1", 80, "/", "[::1]", "[::1]:80"},
      {"https://[2001:DB8::A]:8443/p", "2001:db8::a", 8443, "/p", "[2001:db8::a]:8443", "[2001:db8::a]:8443"},
      {"socks5h://u@proxy", "proxy", 1080, "/", "proxy", "proxy:1080"},
      {"nats://n:4222", "n", 4222, "/", "n:4222", "n:4222"},
      {"http://my_host-1.x2/", "my_host-1.x2", 80, "/", "my_host-1.x2", "my_host-1.x2:80"},
      {"http://a/x@y:z", "a", 80, "/x@y:z", "a", "a:80"},
  };
  for (const Row& row : rows) {
    const auto url = parse_url(row.text);
    ASSERT_TRUE(url) << row.text << ": " << url.error().message;
    EXPECT_EQ(url->host, row.host) << row.text;
    EXPECT_EQ(url->port, row.port) << row.text;
    EXPECT_EQ(url->target(), row.target) << row.text;
    EXPECT_EQ(url->host_header(), row.host_header) << row.text;
    EXPECT_EQ(url->host_and_port(), row.host_and_port) << row.text;
    const auto again = parse_url(url->to_string());
    ASSERT_TRUE(again) << row.text;
    EXPECT_EQ(again->to_string(), url->to_string());
  }
}

TEST(Url, RefusesByName) {
  struct Row {
    std::string text;
    const char* part;
  };
  const Row rows[] = {
      {"", "scheme"},
      {"stream.example.com", "scheme"},
      {"://a", "scheme"},
      {"1http://a", "scheme"},
      {"ht_tp://a", "scheme"},
      {"http:/a", "scheme"},
      {"http://", "host is missing"},
      {"http:///path", "host is missing"},
      {"http://:80", "host is missing"},
      {"http://u@/x", "host is missing"},
      {"http://@a", "user"},
      {"http://u%zz@a", "user"},
      {"http://a@b@c", "two '@'"},
      {"http://a:", "port"},
      {"http://a:0", "port"},
      {"http://a:65536", "port"},
      {"http://a:000080", "port"},
      {"http://a:8o", "port"},
      {"http://a:-1", "port"},
      {"http://a:80:80", "port"},
      {"ftp://a", "name one"},
      {"http://a..b", "label"},
      {"http://.a", "label"},
      {"http://a.", "label"},
      {"http://" + std::string(64, 'a'), "label"},
      {"http://" + std::string(300, 'a'), "253"},
      {"http://a b", "blank"},
      {"http://a/\r\nX: y", "control"},
      {"http://a/\x7f", "control"},
      {"http://b\xC3\xBC.de/", "ASCII"},
      {"http://a\\b/", "character"},
      {"http://a%41/", "character"},
      {"http://127.1/", "IPv4"},
      {"http://1.2.3.256/", "IPv4"},
      {"http://0x7f.0.0.0x1/", "IPv4"},
      {"http://2130706433/", "IPv4"},
      {"http://[::1", "bracket"},
      {"http://[]", "IPv6"},
      {"http://[1.2.3.4]", "IPv6"},
      {"http://[fe80::1%25eth0]", "IPv6"},
      {"http://[::1]8080", "follows"},
      {"http://[::1]:", "port"},
      {"http://::1/", "host is missing"},
      {"ws://a/#x", "fragment"},
      {"http://a/%4", "'%'"},
      {"http://a/%", "'%'"},
      {"http://a/?q=%g0", "'%'"},
  };
  for (const Row& row : rows) {
    const auto url = parse_url(row.text);
    ASSERT_FALSE(url) << row.text;
    EXPECT_EQ(url.error().code, ErrorCode::invalid_argument) << row.text;
    EXPECT_TRUE(url.error().is_terminal);
    EXPECT_NE(url.error().message.find(row.part), std::string::npos) << row.text << ": " << url.error().message;
  }
  const auto secret = parse_url("http://me:secret@a:b");
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().message.find("secret"), std::string::npos);
}

TEST(Url, EncodesAndDecodesPercent) {
  EXPECT_EQ(percent_encode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encode("a b&c=d/\xE2\x82\xAC+%"), "a%20b%26c%3Dd%2F%E2%82%AC%2B%25");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)).value(), all);
  EXPECT_EQ(percent_decode("%e2%82%AC+").value(), "\xE2\x82\xAC+");
  for (const char* bad : {"%", "%1", "a%", "%zz", "%1g", "%%41"}) {
    EXPECT_EQ(percent_decode(bad).error().code, ErrorCode::malformed) << bad;
  }
  std::string query;
  append_query(query, "streams", "btcusdt@trade/x");
  append_query(query, "limit", "5");
  EXPECT_EQ(query, "streams=btcusdt%40trade%2Fx&limit=5");
}

}  // namespace
}  // namespace marketprism::wire
