#include "marketprism/collector/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace marketprism::collector {
namespace {

using testing::HasSubstr;

std::string error_of(std::string_view text) {
  const auto config = parse_config(text, "c.toml");
  return config ? std::string("no error") : config.error().to_string();
}

constexpr std::string_view minimal = R"([[exchange]]
name = "binance"
symbols = ["BTCUSDT"]
channels = ["trade"]
)";

TEST(Config, ReadsWhatIsWritten) {
  const auto config = parse_config(R"(
ca_file = "ca.pem"
[store]
directory = "d"
sinks = ["tape"]
exact = true
rotate_age_s = 60
[memory]
books_bytes = 100000000
[[exchange]]
name = "okx"
symbols = ["BTC-USDT", "ETH-*"]
channels = ["trade", "book", "trade"]
streams = { bbo = "tickers" }
address = "https://127.0.0.1:1"
proxy = "socks5://127.0.0.1:1080"
websocket_urls = { public = "wss://127.0.0.1:2/x" }
[[exchange]]
name = "deribit"
symbols = ["BTC-PERPETUAL"]
channels = ["bbo"]
)",
                                   "c.toml");
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->ca_file, "ca.pem");
  EXPECT_EQ(config->store.directory, "d");
  EXPECT_EQ(config->store.sinks, std::vector<std::string>{"tape"});
  EXPECT_TRUE(config->store.exact);
  EXPECT_EQ(config->store.rotate_age, std::chrono::seconds(60));
  EXPECT_EQ(config->memory.books_bytes, 100'000'000U);
  ASSERT_EQ(config->exchanges.size(), 2U);
  const ExchangeConfig& okx = config->exchanges[0];
  EXPECT_EQ(okx.symbols, (std::vector<std::string>{"BTC-USDT", "ETH-*"}));
  EXPECT_EQ(okx.channels, (std::vector{exchange::Channel::trade, exchange::Channel::book}));
  EXPECT_EQ(okx.streams.bbo, "tickers");
  EXPECT_EQ(okx.proxy, "socks5://127.0.0.1:1080");
  EXPECT_EQ(config->exchanges[1].proxy, "environment");
  EXPECT_EQ(okx.websocket_urls.at("public"), "wss://127.0.0.1:2/x");
}

TEST(Config, NamesTheLineAndTheNearestKey) {
  EXPECT_EQ(error_of(minimal), "no error");
  EXPECT_EQ(error_of("[[exchange]]\nname = \"binance\"\nsymbols = [\"BTCUSDT\"]\nchanels = [\"trade\"]\n"),
            "c.toml:4: unknown key \"chanels\"; did you mean \"channels\"? ([[exchange]] number 1)");
  EXPECT_THAT(error_of("[stor]\ndirectory = \"x\"\n"),
              HasSubstr("c.toml:1: unknown key \"stor\"; did you mean \"store\"?"));
  EXPECT_THAT(error_of("[store]\ndirectory = 5\n"), HasSubstr("c.toml:2: directory must be a text"));
  EXPECT_THAT(error_of("[store]\nrotate_age_s = 0\n"),
              HasSubstr("c.toml:2: rotate_age_s must be a whole number from 1"));
  EXPECT_THAT(error_of("[memory]\nbooks_bytes = 5\n"),
              HasSubstr("c.toml:2: books_bytes must be a whole number from 16777216"));
  EXPECT_THAT(error_of("memory = 5\n"), HasSubstr("c.toml:1: memory must be a table"));
  EXPECT_THAT(error_of("a = \n"), HasSubstr("c.toml:1: not TOML"));
  EXPECT_THAT(error_of("[exchange]\nname = \"binance\"\n"), HasSubstr("write [[exchange]] with two brackets"));
}

TEST(Config, TheAdminTableSwitchesTheApiOn) {
  EXPECT_FALSE(parse_config(minimal, "c.toml")->admin.is_on);
  const auto with = [](std::string_view keys) { return "[admin]\n" + std::string(keys) + std::string(minimal); };
  const auto config = parse_config(with("listen = \"127.0.0.1:8080\"\nlate_after_s = 3\n"), "c.toml");
  ASSERT_TRUE(config.has_value()) << config.error().to_string();
  EXPECT_TRUE(config->admin.is_on);
  EXPECT_EQ(config->admin.listen, "127.0.0.1:8080");
  EXPECT_EQ(config->admin.late_after, std::chrono::seconds(3));
  EXPECT_EQ(config->admin.stale_after, std::chrono::seconds(15));
  EXPECT_THAT(error_of(with("lisen = \"x\"\n")), HasSubstr("did you mean \"listen\"?"));
  EXPECT_THAT(error_of(with("listen = \"0.0.0.0:80\"\n")), HasSubstr("needs a token"));
  EXPECT_THAT(error_of(with("late_after_s = 20\n")), HasSubstr("stale_after_s is below late_after_s"));
}

TEST(Config, NamesWhatDoesNotExist) {
  EXPECT_THAT(error_of("[[exchange]]\nname = \"binanse\"\nsymbols = [\"A\"]\nchannels = [\"trade\"]\n"),
              HasSubstr("unknown exchange \"binanse\"; did you mean \"binance\"?"));
  EXPECT_THAT(error_of("[[exchange]]\nname = \"binance\"\nsymbols = [\"A\"]\nchannels = [\"trades\"]\n"),
              HasSubstr("c.toml:4: unknown channel \"trades\"; did you mean \"trade\"?"));
  EXPECT_THAT(error_of("[[exchange]]\nname = \"binance\"\nchannels = [\"trade\"]\n"), HasSubstr("binance: no symbols"));
  EXPECT_THAT(error_of("[[exchange]]\nname = \"binance\"\nsymbols = [\"A\"]\n"), HasSubstr("binance: no channels"));
  EXPECT_THAT(error_of(""), HasSubstr("no exchange is named"));
  EXPECT_THAT(error_of(std::string("[store]\nsinks = [\"parket\"]\n") + std::string(minimal)),
              HasSubstr("unknown sink \"parket\"; did you mean \"parquet\"?"));
  EXPECT_THAT(error_of(std::string(minimal) + "websocket_urls = { market = \"wss://x\" }\n"),
              HasSubstr("unknown endpoint \"market\""));
  EXPECT_THAT(error_of(std::string(minimal) + "proxy = \"https://p:1\"\n"),
              HasSubstr("binance: proxy: a proxy of scheme 'https'"));
  EXPECT_THAT(read_config("/nonexistent/c.toml").error().to_string(),
              HasSubstr("cannot read the configuration /nonexistent/c.toml"));
}

}  // namespace
}  // namespace marketprism::collector
