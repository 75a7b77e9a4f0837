#include "marketprism/net/http_parser.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/base/random.hpp"
#include "marketprism/net/gzip_decoder.hpp"

namespace marketprism::net {
namespace {

HttpParserOptions response_options() {
  HttpParserOptions options;
  options.head_bytes_max = 1000;
  options.body_bytes_max = 1000;
  return options;
}

HttpParserOptions request_options() {
  HttpParserOptions options = response_options();
  options.is_response = false;
  return options;
}

// The outcome of feeding a whole text at once: "complete", "more" or the error's code.
std::string outcome(HttpParser& parser, std::string_view text) {
  parser.append(text);
  const auto parsed = parser.parse();
  if (!parsed) return std::string(name_of(parsed.error().code));
  return *parsed ? "complete" : "more";
}

std::string outcome(std::string_view text, HttpParserOptions options = response_options()) {
  HttpParser parser(options);
  return outcome(parser, text);
}

const std::vector<std::string>& good_responses() {
  static const std::vector<std::string> all = {
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext=\"1\"\r\nlo\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n005\r\nhello\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n",
      ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
       "5\r\n\r\nhello"),
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
  };
  return all;
}

TEST(HttpParserTest, reads_bodies_of_every_kind_from_pieces_of_every_size) {
  for (const std::string& text : good_responses()) {
    for (std::size_t step = 1; step <= text.size(); ++step) {
      HttpParser parser(response_options());
      for (std::size_t at = 0; at < text.size(); at += step) {
        const std::string result = outcome(parser, std::string_view(text).substr(at, step));
        ASSERT_EQ(result, at + step >= text.size() ? "complete" : "more") << text << " in steps of " << step;
      }
      EXPECT_EQ(parser.head().status(), 200);
      EXPECT_EQ(parser.body(), "hello");
      EXPECT_TRUE(parser.unread().empty());
    }
  }
}

TEST(HttpParserTest, reads_one_message_after_the_other) {
  HttpParser parser(response_options());
  std::string all;
  for (int round = 0; round < 3; ++round) {
    for (const std::string& text : good_responses()) all += text;
  }
  parser.append(all);
  for (std::size_t i = 0; i < 3 * good_responses().size(); ++i) {
    const auto parsed = parser.parse();
    ASSERT_TRUE(parsed && *parsed);
    EXPECT_EQ(parser.body(), "hello");
    parser.next_message();
  }
  EXPECT_FALSE(parser.has_begun());
}

TEST(HttpParserTest, knows_responses_without_a_body) {
  EXPECT_EQ(outcome("HTTP/1.1 204 No Content\r\n\r\n"), "complete");
  EXPECT_EQ(outcome("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), "complete");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "complete");
  EXPECT_EQ(outcome("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"), "complete");
  HttpParser parser(response_options());
  parser.next_message(/*is_head=*/true);
  EXPECT_EQ(outcome(parser, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), "complete");
}

TEST(HttpParserTest, a_body_may_last_until_the_end_of_the_connection) {
  HttpParser parser(response_options());
  EXPECT_EQ(outcome(parser, "HTTP/1.1 200 OK\r\n\r\nhel"), "more");
  EXPECT_EQ(outcome(parser, "lo"), "more");
  EXPECT_TRUE(parser.end());
  EXPECT_TRUE(parser.is_complete());
  EXPECT_EQ(parser.body(), "hello");
}

TEST(HttpParserTest, an_end_in_the_middle_is_an_error) {
  for (const std::string& text : good_responses()) {
    for (std::size_t size = 1; size < text.size(); ++size) {
      HttpParser parser(response_options());
      ASSERT_EQ(outcome(parser, std::string_view(text).substr(0, size)), "more");
      const auto ended = parser.end();
      if (parser.has_begun()) {
        ASSERT_FALSE(ended) << text.substr(0, size);
        EXPECT_EQ(ended.error().code, ErrorCode::malformed);
      }
    }
  }
  HttpParser parser(response_options());
  EXPECT_EQ(parser.end().error().code, ErrorCode::connection_closed);
}

TEST(HttpParserTest, refuses_unclear_lengths) {
  for (const std::string_view bad : {
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
       }) {
    EXPECT_EQ(outcome(bad), "malformed") << bad;
  }
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"), "unsupported");
  EXPECT_EQ(outcome("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), "unsupported");
}

TEST(HttpParserTest, refuses_bad_chunks) {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string_view bad :
       {"\r\n", "g\r\n", "-1\r\n", "0x5\r\nhello\r\n", " 5\r\nhello\r\n", "5 x\r\nhello\r\n", "5\r\nhelloX\r\n",
        "5\r\nhello\n\r", "ffffffffffffffff\r\n", "5\n\r\nhello\r\n"}) {
    EXPECT_EQ(outcome(head + std::string(bad)), "malformed") << bad;
  }
  EXPECT_EQ(outcome(head + std::string(5000, '0')), "malformed");
}

TEST(HttpParserTest, holds_its_limits) {
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n"), "too_large");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"), "too_large");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n3e8\r\n"), "too_large");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'x')), "too_large");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nX: " + std::string(1000, 'x') + "\r\n\r\n"), "too_large");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nX: " + std::string(1000, 'x')), "too_large");
  EXPECT_EQ(outcome("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + std::string(1000, 'x')),
            "too_large");
  // A long body behind a trailer is the next message's, not the trailer's.
  HttpParser parser(response_options());
  EXPECT_EQ(outcome(parser,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n" + std::string(2000, 'z')),
            "complete");
  EXPECT_EQ(parser.unread().size(), 2000U);
}

TEST(HttpParserTest, reads_requests) {
  HttpParser parser(request_options());
  EXPECT_EQ(outcome(parser, "\r\n\r\nPOST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n"),
            "complete");
  EXPECT_EQ(parser.head().target(), "/a");
  EXPECT_EQ(parser.body(), "abc");
  parser.next_message();
  EXPECT_TRUE(parser.has_begun());
  EXPECT_EQ(outcome(parser, ""), "complete");
  EXPECT_EQ(parser.head().target(), "/b");
  EXPECT_EQ(parser.body(), "");
}

TEST(HttpParserTest, skips_empty_lines_before_a_request_in_any_pieces) {
  const std::string text = "\r\n\r\nGET / HTTP/1.1\r\n\r\n";
  HttpParser parser(request_options());
  for (const char c : text.substr(0, text.size() - 1)) ASSERT_EQ(outcome(parser, std::string_view(&c, 1)), "more");
  EXPECT_EQ(outcome(parser, "\n"), "complete");
}

TEST(HttpParserTest, decompresses_gzip) {
  const std::string body(900, 'a');
  for (const std::string_view coding : {"gzip", "X-GZIP"}) {
    const std::string packed = gzip(body);
    const std::string text = "HTTP/1.1 200 OK\r\nContent-Encoding: " + std::string(coding) +
                             "\r\nContent-Length: " + std::to_string(packed.size()) + "\r\n\r\n" + packed;
    HttpParser parser(response_options());
    for (const char c : text.substr(0, text.size() - 1)) ASSERT_EQ(outcome(parser, std::string_view(&c, 1)), "more");
    ASSERT_EQ(outcome(parser, text.substr(text.size() - 1)), "complete");
    EXPECT_EQ(parser.body(), body);
  }
}

TEST(HttpParserTest, refuses_bad_gzip_and_bombs) {
  const auto response = [](const std::string& packed) {
    return "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + std::to_string(packed.size()) +
           "\r\n\r\n" + packed;
  };
  EXPECT_EQ(outcome(response(gzip(std::string(1'000'000, 'a')))), "too_large");
  EXPECT_EQ(outcome(response(gzip(std::string(1000, 'a')))), "complete");
  EXPECT_EQ(outcome(response(gzip(std::string(1001, 'a')))), "too_large");
  EXPECT_EQ(outcome(response("this is no gzip")), "malformed");
  const std::string packed = gzip("hello");
  EXPECT_EQ(outcome(response(packed.substr(0, packed.size() - 4))), "malformed");
  EXPECT_EQ(outcome(response(packed + "x")), "malformed");
  EXPECT_EQ(outcome(response(packed + packed.substr(0, packed.size() - 4))), "malformed");
}

TEST(HttpParserTest, takes_gzip_of_no_bytes_and_of_several_members) {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n";
  HttpParser parser;
  EXPECT_EQ(outcome(parser, head + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "complete");
  EXPECT_EQ(parser.body(), "");
  parser.next_message();
  const std::string packed = gzip("hello") + gzip(" ") + gzip("world");
  const std::string length = "Content-Length: " + std::to_string(packed.size()) + "\r\n\r\n";
  EXPECT_EQ(outcome(parser, head + length + packed), "complete");
  EXPECT_EQ(parser.body(), "hello world");
  parser.next_message();
  parser.append(head + length);
  for (const char byte : packed) {
    parser.append(std::string_view(&byte, 1));
    ASSERT_TRUE(parser.parse());
  }
  EXPECT_TRUE(parser.is_complete());
  EXPECT_EQ(parser.body(), "hello world");
}

// Whatever comes, in whatever pieces, the parser neither crashes nor holds more than its limits.
TEST(HttpParserTest, survives_garbage) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    std::string text = good_responses()[random.below(good_responses().size())];
    for (int change = 0; change < 4; ++change) {
      const std::size_t at = random.below(text.size());
      if (random.chance(0.5)) {
        text[at] = static_cast<char>(random.below(256));
      } else {
        text.insert(at, random.chance(0.5) ? "\r\n" : "9");
      }
    }
    HttpParser parser(response_options());
    std::size_t at = 0;
    bool goes_on = true;
    while (goes_on && at < text.size()) {
      const std::size_t size = 1 + random.below(20);
      const std::string result = outcome(parser, std::string_view(text).substr(at, size));
      goes_on = result == "more";
      at += size;
    }
    EXPECT_LE(parser.body().size(), 1000U);
  }
}

}  // namespace
}  // namespace marketprism::net
