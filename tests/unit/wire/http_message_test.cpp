#include "marketprism/wire/http_message.hpp"

#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

namespace marketprism::wire {
namespace {

using namespace std::string_literals;

TEST(HttpHeaders, FindsNamesWithoutRegardToCase) {
  HttpHeaders headers{{"Host", "a"}, {"X-List", "a, B ,c"}, {"x-list", "d"}};
  EXPECT_EQ(headers.find("hOST"), "a");
  EXPECT_EQ(headers.find("Hos"), std::nullopt);
  EXPECT_EQ(headers.count("X-LIST"), 2U);
  EXPECT_EQ(headers.joined("x-List"), "a, B ,c, d");
  for (const char* token : {"a", "b", "C", "D"}) EXPECT_TRUE(headers.contains_token("X-List", token)) << token;
  for (const char* token : {"", "a,", "ab", "e"}) EXPECT_FALSE(headers.contains_token("X-List", token)) << token;
  headers.set("X-LIST", "new");
  EXPECT_EQ(headers.size(), 2U);
  EXPECT_EQ(headers.joined("x-list"), "new");
  headers.remove("host");
  EXPECT_FALSE(headers.contains("Host"));
}

TEST(HttpHead, WritesHeads) {
  std::string out = "before ";
  ASSERT_TRUE(append_head(out, HttpRequestHead{.target = "/a?b", .headers = {{"Host", "h"}, {"X", ""}}}));
  EXPECT_EQ(out, "before GET /a?b HTTP/1.1\r\nHost: h\r\nX: \r\n\r\n");
  out.clear();
  ASSERT_TRUE(
      append_head(out, HttpResponseHead{.status = 404, .reason = "Not Found", .minor_version = 0, .headers = {}}));
  EXPECT_EQ(out, "HTTP/1.0 404 Not Found\r\n\r\n");
}

TEST(HttpHead, RefusesWhatWouldSmuggleSomethingIn) {
  const HttpRequestHead bad[] = {
      {.headers = {{"A", "b\r\nC: d"}}},    {.headers = {{"A", "b\n"}}},
      {.headers = {{"A", "b\r"}}},          {.headers = {{"A", "b\0c"s}}},
      {.headers = {{"A", "b\x7f"}}},        {.headers = {{"", "b"}}},
      {.headers = {{"A B", "b"}}},          {.headers = {{"A:", "b"}}},
      {.headers = {{"A\r\n", "b"}}},        {.headers = {{"\xC3\xBC", "b"}}},
      {.method = "GE T", .headers = {}},    {.method = "", .headers = {}},
      {.method = "GET\r\n", .headers = {}}, {.target = "", .headers = {}},
      {.target = "/a b", .headers = {}},    {.target = "/\r\nX: y", .headers = {}},
  };
  for (const HttpRequestHead& head : bad) {
    std::string out = "kept";
    const auto appended = append_head(out, head);
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(out, "kept");
  }
  std::string out;
  EXPECT_FALSE(append_head(out, HttpResponseHead{.reason = "a\r\nb", .headers = {}}));
  EXPECT_FALSE(append_head(out, HttpResponseHead{.status = 99, .headers = {}}));
  EXPECT_FALSE(append_head(out, HttpResponseHead{.status = 1000, .headers = {}}));
  EXPECT_EQ(out, "");
  EXPECT_TRUE(check_header("X-Tab", "a\tb \xC3\xBC"));
}

TEST(HttpHead, ReadsHeads) {
  const auto request = parse_request_head("POST /x HTTP/1.0\r\nA:b\r\nc: \t d e \t\r\nEmpty:\r\n\r\n");
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->target, "/x");
  EXPECT_EQ(request->minor_version, 0);
  EXPECT_EQ(request->headers.find("C"), "d e");
  EXPECT_EQ(request->headers.find("empty"), "");
  const auto response = parse_response_head("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
  ASSERT_TRUE(response) << response.error().message;
  EXPECT_EQ(response->status, 101);
  EXPECT_EQ(response->reason, "Switching Protocols");
  EXPECT_EQ(parse_response_head("HTTP/1.1 200\r\n\r\n").value().reason, "");
  EXPECT_EQ(parse_response_head("HTTP/1.1 200 \r\n\r\n").value().status, 200);
}

TEST(HttpHead, RefusesMalformedHeads) {
  const std::string bad_headers[] = {
      "A : b\r\n\r\n",   "A: b\r\n c\r\n\r\n", "\tA: b\r\n\r\n",  "A b\r\n\r\n", ": b\r\n\r\n", "A: b\n\r\n",
      "A: b\rc\r\n\r\n", "A: b\0c\r\n\r\n"s,   "A: \x01\r\n\r\n", "A: b\r\n",    "A: b",        "",
      "A: b\r\n\r\nx",
  };
  for (const std::string& headers : bad_headers) {
    EXPECT_EQ(parse_request_head("GET / HTTP/1.1\r\n" + headers).error().code, ErrorCode::malformed) << headers;
    EXPECT_EQ(parse_response_head("HTTP/1.1 200 OK\r\n" + headers).error().code, ErrorCode::malformed) << headers;
  }
  for (const char* line :
       {"GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", "GET / HTTP/2.0", " GET / HTTP/1.1", "G\x01T / HTTP/1.1", ""}) {
    EXPECT_FALSE(parse_request_head(line + "\r\n\r\n"s)) << line;
  }
  for (const char* line : {"HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000 x", "HTTP/1.1 099 x",
                           "HTTP/1.1 2x0 x", "HTTP/1.2 200 x", "ICY 200 OK", "HTTP/1.1  200", ""}) {
    EXPECT_FALSE(parse_response_head(line + "\r\n\r\n"s)) << line;
  }
  std::string many = "GET / HTTP/1.1\r\n";
  for (std::size_t i = 0; i <= http_headers_max; ++i) many += "A: b\r\n";
  EXPECT_EQ(parse_request_head(many + "\r\n").error().code, ErrorCode::too_large);
}

Result<bool> feed(HttpHeadReader& reader, std::string_view bytes, std::size_t piece_bytes) {
  while (!bytes.empty()) {
    const auto room = reader.prepare();
    const std::size_t count = std::min({bytes.size(), room.size(), piece_bytes});
    std::memcpy(room.data(), bytes.data(), count);
    bytes.remove_prefix(count);
    const auto done = reader.commit(count);
    if (!done) return done;
    if (*done) {
      EXPECT_TRUE(reader.remainder().size() < piece_bytes);
      return bytes.empty();
    }
  }
  return false;
}

TEST(HttpHeadReader, FindsTheEndInAnyPieces) {
  const std::string head = "GET / HTTP/1.1\r\nA: " + std::string(3000, 'x') + "\r\n\r\n";
  for (const std::size_t piece : {1UZ, 2UZ, 3UZ, 5UZ, 1000UZ, 100'000UZ}) {
    HttpHeadReader reader;
    ASSERT_EQ(feed(reader, head, piece).value(), true) << piece;
    EXPECT_EQ(reader.head(), head);
    EXPECT_EQ(reader.remainder(), "");
    EXPECT_TRUE(parse_request_head(reader.head()));
  }
  HttpHeadReader reader;
  EXPECT_EQ(reader.append(head.substr(0, head.size() - 2)).value(), false);
  EXPECT_EQ(reader.append("\r\n\x81\x01x\r\n\r\n\0"s).value(), true);
  EXPECT_EQ(reader.head(), head);
  EXPECT_EQ(reader.remainder(), "\x81\x01x\r\n\r\n\0"s);
}

TEST(HttpHeadReader, StopsAtItsLimit) {
  for (const std::size_t size : {99UZ, 100UZ, 101UZ}) {
    const std::string head = std::string(size - 4, 'x') + "\r\n\r\n";
    HttpHeadReader in_pieces(100), at_once(100);
    EXPECT_EQ(feed(in_pieces, head, 7).value_or(false), size <= 100) << size;
    EXPECT_EQ(at_once.append(head + "rest").value_or(false), size <= 100) << size;
  }
  HttpHeadReader endless(100);
  EXPECT_EQ(feed(endless, std::string(200, 'x'), 200).error().code, ErrorCode::too_large);
  HttpHeadReader binary;
  EXPECT_EQ(binary.append("\x16\x03\x01\x00\x10"s).error().code, ErrorCode::malformed);
}

}  // namespace
}  // namespace marketprism::wire
