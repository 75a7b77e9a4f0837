#include "marketprism/net/proxy.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace marketprism::net {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string name_of(const Proxy* proxy) { return proxy == nullptr ? "direct" : proxy->name(); }

ProxySettings from_environment(std::map<std::string, std::string> variables) {
  return ProxySettings::parse("environment",
                              [variables = std::move(variables)](const char* name) {
                                const auto found = variables.find(name);
                                return found == variables.end() ? std::string() : found->second;
                              })
      .value();
}

TEST(ParseProxy, ReadsWhatPeopleWrite) {
  const Proxy plain = parse_proxy("proxy.example:3128").value();
  EXPECT_EQ(plain.kind, Proxy::Kind::http);
  EXPECT_EQ(plain.name(), "proxy.example:3128");
  const Proxy socks = parse_proxy("socks5h://al%40ice:s%3Acret@[::1]").value();
  EXPECT_EQ(socks.kind, Proxy::Kind::socks5);
  EXPECT_EQ(socks.name(), "[::1]:1080");
  EXPECT_EQ(socks.user, "al@ice");
  EXPECT_EQ(socks.password, "s:cret");
  EXPECT_EQ(parse_proxy("http://proxy.example/").value().port, 80);
}

TEST(ParseProxy, RefusesTheRestWithoutRepeatingAPassword) {
  for (const char* text : {"https://p:1", "socks4://p:1", "ftp://p", "http://", "http://u:secret@p:99999",
                           "http://p:1/path", "http://p:1/?q", "a b", "http://u:secret@a b"}) {
    const auto proxy = parse_proxy(text);
    ASSERT_FALSE(proxy) << text;
    EXPECT_TRUE(proxy.error().is_terminal);
    EXPECT_THAT(proxy.error().to_string(), Not(HasSubstr("secret")));
  }
  EXPECT_EQ(parse_proxy("https://p:1").error().code, ErrorCode::unsupported);
}

TEST(ProxySettings, OneForAllOrNone) {
  EXPECT_TRUE(ProxySettings::parse("").value().empty());
  const auto one = ProxySettings::parse("socks5://p:1").value();
  EXPECT_EQ(name_of(one.find("api.example", 443, true)), "p:1");
  EXPECT_EQ(name_of(one.find("localhost", 80, false)), "p:1");  // who names a proxy gets it
  EXPECT_FALSE(ProxySettings::parse("gopher://p:1"));
}

TEST(ProxySettings, TheEnvironmentNamesOneForEachScheme) {
  const auto both = from_environment({{"http_proxy", "plain:1"}, {"HTTPS_PROXY", "http://secure:2"}});
  EXPECT_EQ(name_of(both.find("api.example", 80, false)), "plain:1");
  EXPECT_EQ(name_of(both.find("api.example", 443, true)), "secure:2");
  const auto all = from_environment({{"ALL_PROXY", "socks5://all:3"}, {"https_proxy", "secure:2"}});
  EXPECT_EQ(name_of(all.find("api.example", 80, false)), "all:3");
  EXPECT_EQ(name_of(all.find("api.example", 443, true)), "secure:2");
  EXPECT_TRUE(from_environment({{"HTTP_PROXY", "from-a-request:1"}}).empty());
  EXPECT_TRUE(from_environment({}).empty());
  const auto wrong = ProxySettings::parse("environment", [](const char* name) {
    return std::string(std::string_view(name) == "https_proxy" ? "https://p:1" : "");
  });
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().to_string(), AllOf(HasSubstr("https_proxy"), HasSubstr("scheme 'https'")));
}

TEST(ProxySettings, NoProxyTakesHostsOut) {
  const auto settings = from_environment(
      {{"all_proxy", "p:1"},
       {"no_proxy", " example.com, .Internal ,*.wild.org,192.0.2.7,[2001:db8::1]:8443,port.net:81,x:y"}});
  const auto way = [&](const char* host, std::uint16_t port = 443) { return name_of(settings.find(host, port, true)); };
  for (const char* host : {"example.com", "api.Example.com", "internal", "db.internal", "a.wild.org", "192.0.2.7",
                           "localhost", "127.3.2.1", "::1"}) {
    EXPECT_EQ(way(host), "direct") << host;
  }
  EXPECT_EQ(way("2001:db8::1", 8443), "direct");
  EXPECT_EQ(way("port.net", 81), "direct");
  EXPECT_EQ(way("2001:db8::1"), "p:1");
  EXPECT_EQ(way("port.net"), "p:1");
  EXPECT_EQ(way("notexample.com"), "p:1");
  EXPECT_EQ(way("192.0.2.70"), "p:1");
  const auto none = from_environment({{"all_proxy", "p:1"}, {"NO_PROXY", "*"}});
  EXPECT_EQ(name_of(none.find("api.example", 443, true)), "direct");
}

}  // namespace
}  // namespace marketprism::net
