#include "marketprism/base/log.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/base/log_limiter.hpp"

namespace marketprism {
namespace {

std::vector<std::string> lines;

void keep(LogLevel level, std::string_view area, std::string_view text) {
  lines.push_back(std::string(name_of(level)) + " " + std::string(area) + ": " + std::string(text));
}

TEST(Log, GivesItsWriterWhatPassesTheLevel) {
  lines.clear();
  set_log_writer(&keep);
  set_log_level(LogLevel::warning);
  log(LogLevel::info, "test", "quiet");
  log(LogLevel::error, "test", "loud");
  set_log_level(LogLevel::off);
  log(LogLevel::error, "test", "off");
  set_log_level(LogLevel::warning);
  set_log_writer(nullptr);
  EXPECT_EQ(lines, (std::vector<std::string>{"error test: loud"}));
}

TEST(LogLimiter, LeavesOutWhatComesTooOftenAndSaysSo) {
  LogLimiter limiter;
  Instant now{std::chrono::seconds(1)};
  for (std::uint32_t i = 0; i < LogLimiter::burst; ++i)
    EXPECT_EQ(limiter.admit(LogLimiter::kind_of("pool", "connection " + std::to_string(i) + " was lost"), now), 0U);
  EXPECT_FALSE(limiter.admit(LogLimiter::kind_of("pool", "connection 77 was lost"), now).has_value());
  EXPECT_FALSE(limiter.admit(LogLimiter::kind_of("pool", "connection 78 was lost"), now).has_value());
  EXPECT_EQ(limiter.admit(LogLimiter::kind_of("pool", "another thing"), now), 0U);
  EXPECT_EQ(limiter.admit(LogLimiter::kind_of("sink", "connection 78 was lost"), now), 0U);
  now += LogLimiter::refill;
  EXPECT_EQ(limiter.admit(LogLimiter::kind_of("pool", "connection 79 was lost"), now), 2U);
  EXPECT_FALSE(limiter.admit(LogLimiter::kind_of("pool", "connection 80 was lost"), now).has_value());
  now += std::chrono::hours(1);
  for (std::uint32_t i = 0; i < LogLimiter::burst; ++i)
    EXPECT_TRUE(limiter.admit(LogLimiter::kind_of("pool", "connection 1 was lost"), now).has_value());
  EXPECT_FALSE(limiter.admit(LogLimiter::kind_of("pool", "connection 1 was lost"), now).has_value());
}

TEST(LogLimiter, RemembersABoundedNumberOfKinds) {
  LogLimiter limiter;
  const Instant now{std::chrono::seconds(1)};
  for (std::size_t i = 0; i < 10 * LogLimiter::kinds_max; ++i)
    EXPECT_TRUE(limiter.admit(LogLimiter::kind_of("x", std::string(i, 'a')), now).has_value());
}

}  // namespace
}  // namespace marketprism
