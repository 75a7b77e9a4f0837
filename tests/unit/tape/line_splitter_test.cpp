#include "marketprism/tape/line_splitter.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace marketprism::tape {
namespace {

std::vector<std::string> split(std::string_view text, std::size_t portion, std::size_t limit = 100) {
  LineSplitter splitter(limit);
  std::vector<std::string> lines;
  const auto drain = [&] {
    std::string_view line;
    for (;;) {
      const LineSplitter::Step step = splitter.next(line);
      if (step == LineSplitter::Step::starved) return;
      lines.push_back(step == LineSplitter::Step::line ? std::string(line) : "<too long>");
      EXPECT_EQ(splitter.line_number(), lines.size());
    }
  };
  while (!text.empty()) {
    const std::string piece(text.substr(0, portion));
    text.remove_prefix(piece.size());
    splitter.feed(piece);
    drain();
  }
  splitter.feed({});
  splitter.finish();
  drain();
  return lines;
}

TEST(LineSplitter, GivesTheSameLinesWhateverThePortions) {
  const std::string text = "one\r\n\ntwo\nthree\r\nlast without newline";
  const std::vector<std::string> expected{"one", "", "two", "three", "last without newline"};
  for (std::size_t portion = 1; portion <= text.size(); ++portion) EXPECT_EQ(split(text, portion), expected) << portion;
}

TEST(LineSplitter, SkipsALineAboveTheLimitAndGoesOn) {
  const std::string text =
      "ab\n" + std::string(11, 'x') + "\ncd\n" + std::string(10, 'y') + "\n" + std::string(30, 'z');
  const std::vector<std::string> expected{"ab", "<too long>", "cd", std::string(10, 'y'), "<too long>"};
  for (std::size_t portion = 1; portion <= text.size(); ++portion)
    EXPECT_EQ(split(text, portion, 10), expected) << portion;
}

TEST(LineSplitter, EmptyInputHasNoLine) {
  EXPECT_TRUE(split("", 1).empty());
  EXPECT_EQ(split("\n", 1), std::vector<std::string>{""});
}

}  // namespace
}  // namespace marketprism::tape
