#include "marketprism/base/stack_trace.hpp"

#include <array>
#include <cstdlib>
#include <execinfo.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace marketprism {
namespace {

[[gnu::noinline]] std::vector<std::string> names_of_callers() {
  std::array<void*, 16> stack{};
  const int depth = ::backtrace(stack.data(), static_cast<int>(stack.size()));
  auto names = function_names(std::span(stack.data(), static_cast<std::size_t>(depth)));
  return names;
}

TEST(StackTraceTest, names_functions_that_only_this_file_knows) {
  const std::vector<std::string> names = names_of_callers();
  ASSERT_GT(names.size(), 3U);
  EXPECT_THAT(names[0], testing::AnyOf(testing::HasSubstr("names_of_callers()"), testing::HasSubstr("backtrace")));
  EXPECT_THAT(names, testing::Contains(testing::HasSubstr("StackTraceTest_names_functions")));
}

TEST(StackTraceTest, names_library_functions_and_admits_what_it_does_not_know) {
  const std::array<void*, 3> addresses{reinterpret_cast<void*>(16), reinterpret_cast<char*>(&std::strtol) + 1, nullptr};
  const std::vector<std::string> names = function_names(addresses);
  ASSERT_EQ(names.size(), 3U);
  EXPECT_EQ(names[0], "0x10");
  EXPECT_THAT(names[1], testing::AnyOf(testing::HasSubstr("strto"), testing::HasSubstr("+0x")));
  EXPECT_TRUE(function_names({}).empty());
}

}  // namespace
}  // namespace marketprism
