#include "marketprism/feed/session.hpp"

#include <gtest/gtest.h>

#include "marketprism/exchange/registry.hpp"
#include "marketprism/market/event_json.hpp"

namespace marketprism::feed {
namespace {

/// Writes down events in a short form: "trade 5", "snapshot 100", "delta 102", "gap book 102-110 sequence".
class Notes final : public market::EventSink, public SessionActions {
 public:
  void on_event(const market::Event& event) override {
    const auto number = [](std::int64_t n) { return n == market::no_sequence ? std::string("-") : std::to_string(n); };
    if (const auto* trade = std::get_if<market::Trade>(&event.payload)) {
      lines.push_back("trade " + std::string(trade->id));
    } else if (const auto* book = std::get_if<market::Book>(&event.payload)) {
      lines.push_back((book->is_snapshot ? "snapshot " : "delta ") + number(book->sequence));
    } else if (const auto* gap = std::get_if<market::Gap>(&event.payload)) {
      lines.push_back("gap " + std::string(name_of(gap->channel)) + " " + number(gap->from_sequence) + "-" +
                      number(gap->to_sequence) + " " + std::string(gap->reason));
    } else {
      lines.push_back(std::string(name_of(event.type())));
    }
  }
  void want_snapshot(std::string_view symbol) override { wanted.emplace_back(symbol); }
  void on_control(std::uint32_t, const exchange::ControlMessage& message) override { controls.push_back(message.kind); }

  std::vector<std::string> take() { return std::exchange(lines, {}); }

  std::vector<std::string> lines;
  std::vector<std::string> wanted;
  std::vector<exchange::ControlMessage::Kind> controls;
};

class SessionTest : public testing::Test {
 protected:
  explicit SessionTest(std::string_view exchange = "binance")
      : session(exchange::make_adapter(exchange).value(), notes, notes) {}

  void frame(const std::string& payload, std::uint32_t connection = 1) {
    session.on_frame(connection, payload, unix_time_ns(++clock));
  }
  void delta(int first, int last, std::uint32_t connection = 1, const char* bids = R"([["1","1"]])") {
    frame(R"({"stream":"x@depth","data":{"e":"depthUpdate","E":1633998512068,"s":"X","U":)" + std::to_string(first) +
              ",\"u\":" + std::to_string(last) + ",\"b\":" + bids + ",\"a\":[]}}",
          connection);
  }
  void trade(int id, int time = 0, std::uint32_t connection = 1) {
    frame(R"({"e":"trade","E":1,"s":"X","t":)" + std::to_string(id) + R"(,"p":"1.5","q":"2","T":)" +
              std::to_string(1633998512000 + (time == 0 ? id : time)) + R"(,"m":true})",
          connection);
  }
  void snapshot(int id) {  // the path is any venue's
    session.on_rest("/api/v3/depth?symbol=X&limit=5", 200,
                    "{\"lastUpdateId\":" + std::to_string(id) + R"(,"bids":[["1","5"]],"asks":[["2","5"]]})",
                    unix_time_ns(++clock));
  }
  using Lines = std::vector<std::string>;

  Notes notes;
  Session session;
  std::int64_t clock = 1'633'998'512'000'000'000;
};

TEST_F(SessionTest, HoldsDeltasUntilTheSnapshotAndDropsWhatItContains) {
  delta(95, 98);
  delta(99, 101);
  delta(102, 104);
  EXPECT_EQ(notes.take(), Lines{});
  EXPECT_EQ(notes.wanted, Lines{"X"});  // asked once
  snapshot(100);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 100", "delta 101", "delta 104"}));
  EXPECT_EQ(session.stats().books.stale, 1U);
  ASSERT_NE(session.book("X"), nullptr);
}

TEST_F(SessionTest, ASnapshotOlderThanTheFirstDeltaIsAskedForAgain) {
  delta(110, 112);
  snapshot(100);
  EXPECT_EQ(notes.take(), Lines{});
  EXPECT_EQ(notes.wanted, (Lines{"X", "X"}));
  snapshot(111);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 111", "delta 112"}));
}

TEST_F(SessionTest, AGapIsNamedAtOnceAndHealedByTheNextSnapshot) {
  delta(95, 98);
  snapshot(100);
  delta(101, 102);
  delta(105, 106);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 100", "delta 102", "gap book 102-105 sequence"}));
  EXPECT_EQ(session.book("X"), nullptr);
  delta(107, 108);
  EXPECT_EQ(notes.take(), Lines{});
  snapshot(106);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 106", "delta 108"}));
}

TEST_F(SessionTest, ABreakAmongTheHeldDeltasIsFoundWhenTheyAreApplied) {
  delta(101, 102);
  delta(105, 106);
  snapshot(100);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 100", "delta 102", "gap book 102-105 sequence"}));
  snapshot(104);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 104", "delta 106"}));
}

TEST_F(SessionTest, DuplicatesAndUnneededSnapshotsGiveNothing) {
  delta(99, 101);
  snapshot(100);
  delta(99, 101);
  snapshot(120);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 100", "delta 101"}));
  EXPECT_EQ(session.stats().books.snapshots_unneeded, 1U);
}

TEST_F(SessionTest, HoldingIsBounded) {
  std::string levels = "[";
  for (int i = 0; i < 1000; ++i) levels += std::string(i == 0 ? "" : ",") + "[\"" + std::to_string(i + 1) + "\",\"1\"]";
  levels += "]";
  const int count = static_cast<int>(HeldDeltas::levels_max / 1000) + 10;
  for (int i = 0; i < count; ++i) delta(101 + i, 101 + i, 1, levels.c_str());
  EXPECT_GT(session.stats().books.held_dropped, 1000U);
  snapshot(100 + count - 1);  // joins what came last
  EXPECT_EQ(notes.take(),
            (Lines{"snapshot " + std::to_string(100 + count - 1), "delta " + std::to_string(100 + count)}));
}

TEST_F(SessionTest, TradeNumbersTellHolesAndRepetitions) {
  trade(5);
  trade(6);
  trade(6);
  trade(9);
  EXPECT_EQ(notes.take(), (Lines{"trade 5", "trade 6", "gap trade 6-9 sequence", "trade 9"}));
  EXPECT_EQ(session.stats().duplicate_trades, 1U);
  trade(2, 500);  // a lower number with a newer time: the venue began anew
  EXPECT_EQ(notes.take(), (Lines{"gap trade 9-2 sequence_restarted", "trade 2"}));
}

TEST_F(SessionTest, AResumedSessionBeginsEachSeriesWithAGap) {
  session.resume();
  delta(99, 101);
  snapshot(100);
  trade(5);
  trade(6);
  delta(102, 103);
  EXPECT_EQ(notes.take(), (Lines{"gap book --- restart", "snapshot 100", "delta 101", "gap trade --- restart",
                                 "trade 5", "trade 6", "delta 103"}));
  session.restart(exchange::make_adapter("binance").value());  // that knows of no recording before
  trade(7);
  EXPECT_EQ(notes.take(), (Lines{"trade 7"}));
}

TEST_F(SessionTest, ALostConnectionMakesGapsOnlyOfWhatItBrought) {
  delta(99, 101);
  snapshot(100);
  trade(5);
  frame(R"({"u":7,"s":"X","b":"1","B":"1","a":"2","A":"1"})", 1);
  frame(R"({"u":7,"s":"Y","b":"1","B":"1","a":"2","A":"1"})", 2);
  notes.take();
  session.on_lost(1, unix_time_ns(++clock));
  EXPECT_EQ(notes.take(), (Lines{"gap book 101-- disconnected", "gap bbo --- disconnected"}));
  trade(6, 0, 3);  // the numbers show that nothing was lost
  EXPECT_EQ(notes.take(), Lines{"trade 6"});
  session.on_lost(1, unix_time_ns(++clock));
  EXPECT_EQ(notes.take(), Lines{});
}

TEST_F(SessionTest, AHoleInTheRecordingMakesGapsOfWhatDoesNotShowItItself) {
  delta(11, 12);
  snapshot(10);
  trade(1);
  frame(R"({"u":7,"s":"X","b":"1","B":"1","a":"2","A":"1"})", 2);
  notes.take();
  session.on_hole(unix_time_ns(++clock));
  trade(3);
  EXPECT_EQ(notes.take(),
            (Lines{"gap book 12-- tape_overflow", "gap bbo --- tape_overflow", "gap trade 1-3 sequence", "trade 3"}));
  EXPECT_EQ(session.book("X"), nullptr);
}

TEST_F(SessionTest, ANewerConnectionTakesOverWithoutDoublesOrGaps) {
  delta(99, 101, 1);
  snapshot(100);
  frame(R"({"u":7,"s":"X","b":"1","B":"1","a":"2","A":"1"})", 1);
  frame(R"({"u":8,"s":"X","b":"1","B":"1","a":"2","A":"1"})", 2);
  frame(R"({"u":8,"s":"X","b":"1","B":"1","a":"2","A":"1"})", 1);
  delta(102, 103, 2);
  delta(102, 103, 1);
  session.on_lost(1, unix_time_ns(++clock));
  EXPECT_EQ(notes.take(), (Lines{"snapshot 100", "delta 101", "bbo", "bbo", "delta 103"}));
}

TEST_F(SessionTest, WhatANewerConnectionRepeatsIsGivenOnce) {
  const auto quote = [this](int id, std::uint32_t connection) {
    frame("{\"u\":" + std::to_string(id) + R"(,"s":"X","b":"1","B":"1","a":"2","A":"1"})", connection);
  };
  quote(7, 1);
  quote(8, 1);
  quote(7, 2);  // it was subscribed while the first was still ahead of it
  quote(8, 2);
  quote(9, 1);
  quote(9, 2);
  quote(10, 2);
  quote(11, 1);  // of the past: the newer one counts now
  EXPECT_EQ(notes.take(), (Lines{"bbo", "bbo", "bbo", "bbo"}));
  EXPECT_EQ(session.stats().superseded, 4);
}

TEST_F(SessionTest, NumbersThatBeganAnewOnANewerConnectionAreTakenAfterAWhile) {
  frame(R"({"u":700,"s":"X","b":"1","B":"1","a":"2","A":"1"})", 1);
  frame(R"({"u":7,"s":"X","b":"1","B":"1","a":"2","A":"1"})", 2);
  clock += 11'000'000'000;
  frame(R"({"u":8,"s":"X","b":"1","B":"1","a":"2","A":"1"})", 2);
  EXPECT_EQ(notes.take(), (Lines{"bbo", "bbo"}));
}

TEST_F(SessionTest, ARestartForgetsAllButTheStatistics) {
  delta(11, 12, 7);
  snapshot(10);
  trade(1, 0, 7);
  EXPECT_EQ(notes.take(), Lines({"snapshot 10", "delta 12", "trade 1"}));
  session.restart(exchange::make_adapter("binance").value());
  EXPECT_EQ(session.book("X"), nullptr);
  trade(9);       // no gap: what came before is not known
  delta(21, 22);  // of a connection with a lower number
  snapshot(20);
  EXPECT_EQ(notes.take(), Lines({"trade 9", "snapshot 20", "delta 22"}));
  EXPECT_EQ(session.stats().events[static_cast<std::size_t>(market::EventType::trade)], 2);
}

TEST_F(SessionTest, ShowsAValidBookToWhoLostTrack) {
  class Shown final : public market::EventSink {
   public:
    void on_event(const market::Event& event) override { market::append_json(event, text); }
    std::string text;
  } shown;
  delta(11, 12);
  session.show_book("X", unix_time_ns(5), shown);
  session.show_book("UNKNOWN", unix_time_ns(5), shown);
  EXPECT_EQ(shown.text, "");
  snapshot(10);
  session.show_book("X", unix_time_ns(5), shown);
  EXPECT_EQ(shown.text,
            R"({"type":"book","exchange":"binance","symbol":"X","exchange_time":null,"receive_time":5,"snapshot":true,)"
            R"("sequence":12,"bids":[["1","1"]],"asks":[["2","5"]]})"
            "\n");
}

TEST_F(SessionTest, GarbageAndCutFramesGiveNothingAndAreCounted) {
  const std::string whole =
      R"({"stream":"x@trade","data":{"e":"trade","E":1,"s":"X","t":5,"p":"1.5","q":"2","T":2,"m":true}})";
  for (std::size_t length = 0; length < whole.size(); ++length) frame(whole.substr(0, length));
  for (const char* garbage :
       {"null", "0", "\"\"", "not json", R"({"stream":"x@y","data":null})", R"({"e":"depthUpdate"})", "[]",
        R"({"e":"trade","s":"X","t":"x","p":"1","q":"1"})", R"({"e":"trade","s":"X","t":1,"p":"nan","q":"1"})"}) {
    frame(garbage);
  }
  EXPECT_EQ(notes.take(), Lines{});
  std::uint64_t unreadable = 0;
  for (const auto& [reason, count] : session.stats().unreadable) unreadable += count;
  EXPECT_EQ(unreadable, whole.size() + 9);
  frame(whole);
  EXPECT_EQ(notes.take(), Lines{"trade 5"});
}

TEST_F(SessionTest, AnswersThatAreNotOkAreIgnored) {
  delta(99, 101);
  session.on_rest("/api/v3/depth?symbol=X", 429, R"({"code":-1003,"msg":"Too many requests"})", unix_time_ns(1));
  session.on_rest("/api/v3/depth?symbol=X", 200, R"({"lastUpdateId":100,"bids":[["1",)", unix_time_ns(1));
  EXPECT_EQ(notes.take(), Lines{});
}

TEST_F(SessionTest, ControlFramesAreHandedOn) {
  frame(R"({"result":null,"id":1})");
  frame(R"({"error":{"code":2,"msg":"Invalid request"},"id":2})");
  frame(R"({"e":"serverShutdown","E":1})");
  using Kind = exchange::ControlMessage::Kind;
  EXPECT_EQ(notes.controls, (std::vector{Kind::subscribed, Kind::refused, Kind::closing}));
}

class OkxSessionTest : public SessionTest {
 protected:
  OkxSessionTest() : SessionTest("okx") {}
  void book(const std::string& action, int previous, int sequence, std::uint32_t connection) {
    frame(R"({"arg":{"channel":"books","instId":"X"},"action":")" + action +
              R"(","data":[{"asks":[["2","1","0","1"]],"bids":[["1","1","0","1"]],"ts":"1597026383085","prevSeqId":)" +
              std::to_string(previous) + ",\"seqId\":" + std::to_string(sequence) + "}]}",
          connection);
  }
  void trade(int id, std::uint32_t connection) {
    frame(R"({"arg":{"channel":"trades","instId":"X"},"data":[{"instId":"X","tradeId":")" + std::to_string(id) +
              R"(","px":"1","sz":"1","side":"buy","ts":"1630048897897","count":"1"}]})",
          connection);
  }
};

TEST_F(OkxSessionTest, ANewerConnectionThatIsBehindRepeatsNeitherBookNorTrades) {
  book("snapshot", -1, 100, 1);
  book("update", 100, 101, 1);
  book("snapshot", -1, 100, 2);  // subscribed before 101; read only now
  book("update", 100, 101, 2);
  book("update", 101, 102, 2);
  book("update", 101, 102, 1);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 100", "delta 101", "delta 102"}));
  trade(5, 1);
  trade(9, 1);
  trade(9, 2);
  trade(12, 2);
  trade(12, 1);
  EXPECT_EQ(notes.take(), (Lines{"trade 5", "trade 9", "trade 12"}));
}

TEST_F(OkxSessionTest, ANewerConnectionThatIsAheadBringsItsSnapshot) {
  book("snapshot", -1, 100, 1);
  book("snapshot", -1, 105, 2);
  book("update", 100, 101, 1);
  book("update", 105, 106, 2);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 100", "snapshot 105", "delta 106"}));
}

// A venue began its numbers anew, and one reconnected without a word about the connection before.
TEST_F(OkxSessionTest, ALaterSnapshotCountsWhateverItsNumber) {
  book("snapshot", -1, 1000, 1);
  frame(R"({"arg":{"channel":"books","instId":"X"},"action":"snapshot","data":[{"asks":[["2","1","0","1"]],)"
        R"("bids":[],"ts":"1597026384085","prevSeqId":-1,"seqId":10}]})",
        2);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 1000", "snapshot 10"}));
}

TEST_F(OkxSessionTest, TwoConnectionsThatGoOnSideBySideGiveEverythingOnce) {
  for (int id = 1; id < 20; ++id) {
    trade(id, 1);
    trade(id, 2);
    if (id > 3) trade(id - 2, 3);
    clock += 3'000'000'000;
  }
  EXPECT_EQ(notes.take().size(), 19U);
}

TEST_F(OkxSessionTest, AnOlderConnectionIsHeardAgainWhenTheNewerOneIsSilent) {
  trade(1, 2);
  trade(2, 1);
  clock += 11'000'000'000;
  trade(2, 1);
  trade(3, 1);
  EXPECT_EQ(notes.take(), (Lines{"trade 1", "trade 2", "trade 3"}));
}

// books5 beside books: each push is all there is of five levels.
TEST_F(OkxSessionTest, BooksOfFewLevelsDoNotDisturbTheWholeOne) {
  const auto five = [this](int sequence) {
    frame(R"({"arg":{"channel":"books5","instId":"X"},"data":[{"asks":[["9","1","0","1"]],"bids":[["8","1","0","1"]],)"
          R"("instId":"X","ts":"1597026383085","seqId":)" +
          std::to_string(sequence) + "}]}");
  };
  book("snapshot", -1, 100, 7);
  five(100);
  book("update", 100, 101, 7);
  five(101);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 100", "delta 101"}));
}

class FuturesSessionTest : public SessionTest {
 protected:
  FuturesSessionTest() : SessionTest("binance-futures") {}
  void chained(int first, int last, int previous) {
    frame(R"({"e":"depthUpdate","E":1,"T":1626992741024,"s":"X","U":)" + std::to_string(first) +
          ",\"u\":" + std::to_string(last) + ",\"pu\":" + std::to_string(previous) + R"(,"b":[["1","1"]],"a":[]})");
  }
};

TEST_F(FuturesSessionTest, JoinsWhereTheDeltaContainsOrFollowsTheSnapshot) {
  chained(90, 95, 80);
  chained(97, 100, 95);    // ends with the snapshot's number: applied
  chained(104, 110, 100);  // ids run over all symbols: `pu` is the chain
  snapshot(100);
  EXPECT_EQ(notes.take(), (Lines{"snapshot 100", "delta 100", "delta 110"}));
  chained(120, 125, 115);
  EXPECT_EQ(notes.take(), Lines{"gap book 110-120 sequence"});
}

}  // namespace
}  // namespace marketprism::feed
