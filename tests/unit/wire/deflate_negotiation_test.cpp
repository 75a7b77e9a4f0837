// RFC 7692, section 7.1.
#include <gtest/gtest.h>

#include "marketprism/wire/permessage_deflate.hpp"

namespace marketprism::wire {

std::ostream& operator<<(std::ostream& out, const DeflateParameters& p) {
  return out << p.server_no_context_takeover << p.client_no_context_takeover << ' ' << p.server_max_window_bits << ' '
             << p.client_max_window_bits;
}

namespace {

DeflateOptions wanting(DeflateParameters wanted, bool allow = true) {
  return {.wanted = wanted, .allow_client_window_limit = allow};
}

TEST(DeflateNegotiation, MakesTheOffer) {
  EXPECT_EQ(make_deflate_offer({}), "permessage-deflate; client_max_window_bits");
  EXPECT_EQ(make_deflate_offer(wanting({}, false)), "permessage-deflate");
  EXPECT_EQ(make_deflate_offer(wanting({true, true, 10, 9})),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; "
            "client_max_window_bits=9");
}

TEST(DeflateNegotiation, ReadsTheServersAnswer) {
  struct Row {
    DeflateOptions options;
    const char* answer;
    DeflateParameters expected;
  };
  const Row rows[] = {
      {{}, "permessage-deflate", {}},
      {{}, "permessage-deflate;server_no_context_takeover ; client_no_context_takeover", {true, true, 15, 15}},
      {{}, "permessage-deflate; server_max_window_bits=8; client_max_window_bits=\"12\"", {false, false, 8, 12}},
      {{}, ", permessage-deflate ,", {}},
      {wanting({true, false, 12, 15}),
       "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
       {true, false, 11, 15}},
      {wanting({false, true, 15, 10}), "permessage-deflate", {false, true, 15, 10}},
      {wanting({false, false, 15, 10}), "permessage-deflate; client_max_window_bits=9", {false, false, 15, 9}},
  };
  for (const Row& row : rows) {
    const auto read = read_deflate_response(row.options, row.answer);
    ASSERT_TRUE(read && *read) << row.answer;
    EXPECT_EQ(**read, row.expected) << row.answer;
  }
  EXPECT_EQ(read_deflate_response({}, "").value(), std::nullopt);
  EXPECT_EQ(read_deflate_response({}, " , ").value(), std::nullopt);
}

TEST(DeflateNegotiation, RefusesAnswersThatWereNotOffered) {
  struct Row {
    DeflateOptions options;
    const char* answer;
  };
  const Row rows[] = {
      {{}, "x-webkit-deflate-frame"},
      {{}, "permessage-deflate, permessage-deflate"},
      {{}, "permessage-deflate; permessage-deflate"},
      {{}, "permessage-deflate; server_no_context_takeover=1"},
      {{}, "permessage-deflate; server_no_context_takeover; server_no_context_takeover"},
      {{}, "permessage-deflate; server_max_window_bits"},
      {{}, "permessage-deflate; server_max_window_bits="},
      {{}, "permessage-deflate; server_max_window_bits=7"},
      {{}, "permessage-deflate; server_max_window_bits=16"},
      {{}, "permessage-deflate; server_max_window_bits=010"},
      {{}, "permessage-deflate; server_max_window_bits=\"10"},
      {{}, "permessage-deflate; client_max_window_bits"},
      {{}, "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10"},
      {{}, "permessage-deflate client_max_window_bits=10"},
      {{}, "permessage-deflate;"},
      {{}, "permessage-deflate; =10"},
      {{}, "permessage-deflate; a=\"\\"},
      {wanting({}, false), "permessage-deflate; client_max_window_bits=10"},
      {wanting({true, false, 15, 15}), "permessage-deflate"},
      {wanting({false, false, 10, 15}), "permessage-deflate"},
      {wanting({false, false, 10, 15}), "permessage-deflate; server_max_window_bits=11"},
      {wanting({false, false, 15, 10}), "permessage-deflate; client_max_window_bits=11"},
  };
  for (const Row& row : rows) {
    const auto read = read_deflate_response(row.options, row.answer);
    ASSERT_FALSE(read) << row.answer;
    EXPECT_EQ(read.error().code, ErrorCode::malformed);
  }
}

TEST(DeflateNegotiation, AnswersTheFirstPossibleOffer) {
  struct Row {
    DeflateParameters wanted;
    const char* offer;
    DeflateParameters expected;
    const char* answer;
  };
  const Row rows[] = {
      {{}, "permessage-deflate", {}, "permessage-deflate"},
      {{}, "permessage-deflate; client_max_window_bits", {}, "permessage-deflate"},
      {{false, false, 15, 10},
       "permessage-deflate; client_max_window_bits",
       {false, false, 15, 10},
       "permessage-deflate; client_max_window_bits=10"},
      {{false, false, 15, 10}, "permessage-deflate", {}, "permessage-deflate"},
      {{false, false, 15, 10},
       "permessage-deflate; client_max_window_bits=9",
       {false, false, 15, 9},
       "permessage-deflate; client_max_window_bits=9"},
      {{false, false, 12, 15},
       "permessage-deflate; server_max_window_bits=10",
       {false, false, 10, 15},
       "permessage-deflate; server_max_window_bits=10"},
      {{false, false, 12, 15},
       "permessage-deflate; server_max_window_bits=14",
       {false, false, 12, 15},
       "permessage-deflate; server_max_window_bits=12"},
      {{true, true, 15, 15},
       "permessage-deflate",
       {true, true, 15, 15},
       "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
      {{},
       "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
       {true, true, 15, 15},
       "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
      {{},
       "other; a=b, permessage-deflate; bogus, permessage-deflate; server_max_window_bits=99, permessage-deflate; "
       "server_max_window_bits=9",
       {false, false, 9, 15},
       "permessage-deflate; server_max_window_bits=9"},
  };
  for (const Row& row : rows) {
    const auto answer = answer_deflate_offer(wanting(row.wanted), row.offer);
    ASSERT_TRUE(answer) << row.offer;
    EXPECT_EQ(answer->parameters, row.expected) << row.offer;
    EXPECT_EQ(answer->extension, row.answer) << row.offer;
  }
  for (const char* none : {"", "other", "permessage-deflate; bogus", "permessage-deflate; client_max_window_bits=1",
                           "permessage-deflate, ;", "permessage-deflate; server_max_window_bits"}) {
    EXPECT_FALSE(answer_deflate_offer({}, none)) << none;
  }
}

TEST(DeflateNegotiation, EveryPairOfWishesAgrees) {
  for (int bits = 0; bits < 256; ++bits) {
    const DeflateParameters client_wish{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0 ? 11 : 15,
                                        (bits & 8) != 0 ? 12 : 15};
    const DeflateParameters server_wish{(bits & 16) != 0, (bits & 32) != 0, (bits & 64) != 0 ? 9 : 15,
                                        (bits & 128) != 0 ? 10 : 15};
    for (const bool allow : {false, true}) {
      const DeflateOptions client = wanting(client_wish, allow);
      const auto answer = answer_deflate_offer(wanting(server_wish), make_deflate_offer(client));
      ASSERT_TRUE(answer);
      const auto agreed = read_deflate_response(client, answer->extension);
      ASSERT_TRUE(agreed && *agreed) << make_deflate_offer(client) << " / " << answer->extension;
      EXPECT_EQ(**agreed, answer->parameters);
    }
  }
}

}  // namespace
}  // namespace marketprism::wire
