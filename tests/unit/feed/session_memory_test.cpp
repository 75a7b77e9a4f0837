#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "marketprism/exchange/registry.hpp"
#include "marketprism/feed/session.hpp"
#include "marketprism/memory/memory_budget.hpp"

namespace marketprism::feed {
namespace {

/// Writes down books and their gaps: "book 100", "gap 100 memory_limit".
class Notes final : public market::EventSink, public SessionActions {
 public:
  void on_event(const market::Event& event) override {
    if (const auto* book = std::get_if<market::Book>(&event.payload)) {
      lines.push_back("book " + std::to_string(book->sequence));
    } else if (const auto* gap = std::get_if<market::Gap>(&event.payload)) {
      lines.push_back("gap " + std::to_string(gap->from_sequence) + " " + std::string(gap->reason));
    }
  }
  void want_snapshot(std::string_view symbol) override { wanted.emplace_back(symbol); }
  void on_control(std::uint32_t, const exchange::ControlMessage&) override {}

  std::vector<std::string> take() { return std::exchange(lines, {}); }

  std::vector<std::string> lines;
  std::vector<std::string> wanted;
};

TEST(SessionMemoryTest, BooksThatReachTheirMemoryLimitAreNamedAndComeBack) {
  Notes notes;
  std::int64_t clock = 1'633'998'512'000'000'000;
  memory::MemoryBudget budget;
  // Room for one slab of blocks, which some hundred symbols share.
  memory::MemoryAccount& books = budget.account("books", {.hard = 8UL << 20});
  {
    Session limited(exchange::make_adapter("binance").value(), notes, notes, {.books = &books});
    const auto give = [&](int symbol, int id) {
      const std::string name = "X" + std::to_string(symbol);
      limited.on_frame(1,
                       R"({"stream":"x@depth","data":{"e":"depthUpdate","E":1633998512068,"s":")" + name +
                           R"(","U":100,"u":101,"b":[["1","1"]],"a":[]}})",
                       unix_time_ns(++clock));
      limited.on_rest("/api/v3/depth?symbol=" + name + "&limit=5", 200,
                      "{\"lastUpdateId\":" + std::to_string(id) + R"(,"bids":[["1","5"]],"asks":[["2","5"]]})",
                      unix_time_ns(++clock));
    };
    int symbols = 0;
    while (books.refusals() == 0) {
      notes.take();
      notes.wanted.clear();
      ASSERT_LT(symbols, 5000);
      give(++symbols, 100);
    }
    EXPECT_GT(symbols, 100);
    const std::string last = "X" + std::to_string(symbols);
    EXPECT_EQ(notes.take(), std::vector<std::string>{"gap 100 memory_limit"});
    EXPECT_EQ(notes.wanted.back(), last);  // tried again, when the caller finds it right
    EXPECT_EQ(limited.book(last), nullptr);
    EXPECT_NE(limited.book("X1"), nullptr);     // the others stay
    limited.on_lost(1, unix_time_ns(++clock));  // their books are empty now and leave room
    notes.take();
    give(symbols, 100);
    EXPECT_EQ(notes.take(), (std::vector<std::string>{"book 100", "book 101"}));
    EXPECT_NE(limited.book(last), nullptr);
    EXPECT_LE(books.peak(), 8UL << 20);
  }
  EXPECT_EQ(books.bytes(), 0U);
}

}  // namespace
}  // namespace marketprism::feed
