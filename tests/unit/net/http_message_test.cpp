#include "marketprism/net/http_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace marketprism::net {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::size_t fields_max = 8;

ErrorCode request_error(std::string_view text) {
  HttpHead head;
  const auto parsed = head.parse_request(text, fields_max);
  return parsed ? ErrorCode::closed : parsed.error().code;  // closed: none
}

TEST(HttpHeadTest, reads_a_request) {
  HttpHead head;
  ASSERT_TRUE(head.parse_request(
      "GET /api/v3/depth?symbol=BTC%2FUSDT&limit=5&flag HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Two:  b c \r\n\r\n",
      fields_max));
  EXPECT_EQ(head.method(), "GET");
  EXPECT_EQ(head.target(), "/api/v3/depth?symbol=BTC%2FUSDT&limit=5&flag");
  EXPECT_EQ(head.path(), "/api/v3/depth");
  EXPECT_EQ(head.query(), "symbol=BTC%2FUSDT&limit=5&flag");
  EXPECT_EQ(head.query_value("symbol"), "BTC/USDT");
  EXPECT_EQ(head.query_value("limit"), "5");
  EXPECT_EQ(head.query_value("flag"), "");
  EXPECT_EQ(head.query_value("missing"), std::nullopt);
  EXPECT_EQ(head.find("hOST"), "a");
  EXPECT_EQ(head.find("X-Empty"), "");
  EXPECT_EQ(head.find("x-two"), "b c");
  EXPECT_EQ(head.find("x-three"), std::nullopt);
  EXPECT_TRUE(head.keeps_alive());
}

TEST(HttpHeadTest, reads_a_response) {
  HttpHead head;
  ASSERT_TRUE(head.parse_response("HTTP/1.0 429 Too Many Requests\r\nConnection: foo, Keep-Alive\r\n\r\n", fields_max));
  EXPECT_EQ(head.status(), 429);
  EXPECT_EQ(head.reason(), "Too Many Requests");
  EXPECT_EQ(head.minor_version(), 0);
  EXPECT_TRUE(head.keeps_alive());
  ASSERT_TRUE(head.parse_response("HTTP/1.0 200\r\n\r\n", fields_max));
  EXPECT_FALSE(head.keeps_alive());
  EXPECT_EQ(head.size(), 0U);  // nothing is left of the first
  ASSERT_TRUE(head.parse_response("HTTP/1.1 200 \r\nConnection: close\r\n\r\n", fields_max));
  EXPECT_FALSE(head.keeps_alive());
}

TEST(HttpHeadTest, refuses_what_smuggling_is_made_of) {
  EXPECT_EQ(request_error("GET / HTTP/1.1\r\n\r\n"), ErrorCode::closed);
  for (const std::string_view bad : {
           "GET / HTTP/1.1\r\nHost : a\r\n\r\n",            // blank before the colon
           "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",  // folded line
           "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",       // bare LF
           "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",       // bare CR
           "GET / HTTP/1.1\r\nno colon\r\n\r\n",
           "GET / HTTP/1.1\r\n: nameless\r\n\r\n",
           "GET / HTTP/1.1\nHost: a\r\n\r\n",
           "GET  / HTTP/1.1\r\n\r\n",
           "GET /a b HTTP/1.1\r\n\r\n",
           "GET /\r\n\r\n",
           "G\x01T / HTTP/1.1\r\n\r\n",
           "\r\n\r\n",
           "GET / HTTQ/1.1\r\n\r\n",
       }) {
    EXPECT_EQ(request_error(bad), ErrorCode::malformed) << bad;
  }
  EXPECT_EQ(request_error("GET / HTTP/2.0\r\n\r\n"), ErrorCode::unsupported);
  const std::string_view nul("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24);
  EXPECT_EQ(request_error(nul), ErrorCode::malformed);
  std::string many = "GET / HTTP/1.1\r\n";
  for (std::size_t i = 0; i <= fields_max; ++i) many += "A: b\r\n";
  EXPECT_EQ(request_error(many + "\r\n"), ErrorCode::too_large);
}

TEST(HttpHeadTest, refuses_bad_status_lines) {
  HttpHead head;
  for (const std::string_view bad :
       {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1\r\n\r\n", "hello\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n"}) {
    EXPECT_FALSE(head.parse_response(bad, fields_max)) << bad;
  }
}

TEST(HttpHeadTest, takes_the_path_out_of_an_absolute_target) {
  struct Case {
    std::string_view target;
    std::string_view path;
    std::string_view query;
  };
  HttpHead head;
  for (const Case& one :
       {Case{"http://host:80/a/b?c=d", "/a/b", "c=d"}, Case{"HTTPS://host/", "/", ""}, Case{"http://host", "/", ""},
        Case{"http://host?c=d", "/", "c=d"}, Case{"/http://host/a", "/http://host/a", ""}, Case{"*", "*", ""}}) {
    ASSERT_TRUE(head.parse_request("GET " + std::string(one.target) + " HTTP/1.1\r\nHost: host\r\n\r\n", fields_max));
    EXPECT_EQ(head.path(), one.path) << one.target;
    EXPECT_EQ(head.query(), one.query) << one.target;
  }
}

TEST(HttpHeadTest, keeps_its_views_when_it_is_moved) {
  HttpHead head;
  ASSERT_TRUE(head.parse_request("GET / HTTP/1.1\r\nA: b\r\n\r\n", fields_max));
  HttpHead other = std::move(head);
  EXPECT_EQ(other.method(), "GET");
  EXPECT_EQ(other.find("a"), "b");
}

TEST(MakeHttpRequestTest, adds_what_a_request_needs) {
  HttpRequest request;
  request.target = "/a?b=c";
  request.headers.add("X-Key", "secret");
  const auto text = make_http_request("api.example:8080", request);
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, StartsWith("GET /a?b=c HTTP/1.1\r\nHost: api.example:8080\r\n"));
  EXPECT_THAT(*text, HasSubstr("X-Key: secret\r\n"));
  EXPECT_THAT(*text, HasSubstr("Accept-Encoding: gzip\r\n"));
  EXPECT_THAT(*text, Not(HasSubstr("Content-Length")));
  request.method = "POST";
  EXPECT_THAT(*make_http_request("a", request), HasSubstr("Content-Length: 0\r\n"));
  request.body = "12345";
  EXPECT_THAT(*make_http_request("a", request),
              testing::AllOf(HasSubstr("Content-Length: 5\r\n"), testing::EndsWith("\r\n\r\n12345")));
}

TEST(MakeHttpRequestTest, knows_the_length_of_the_body_better_than_its_caller) {
  HttpRequest request;
  request.headers.add("content-length", "7");
  EXPECT_THAT(*make_http_request("a", request), Not(HasSubstr("ontent-")));
  request.body = "12345";
  const std::string text = *make_http_request("a", request);
  EXPECT_THAT(text, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(text, Not(HasSubstr("content-length")));
}

TEST(MakeHttpRequestTest, refuses_what_would_break_the_request) {
  HttpRequest request;
  request.target = "/a b";
  EXPECT_FALSE(make_http_request("a", request));
  request.target = "/";
  request.headers.add("X", "a\r\nEvil: b");
  EXPECT_FALSE(make_http_request("a", request));
  HttpRequest chunked;
  chunked.headers.add("Transfer-Encoding", "chunked");
  EXPECT_FALSE(make_http_request("a", chunked));
  EXPECT_FALSE(make_http_request("a\r\nb", HttpRequest{}));
}

class SilentSource : public HttpBodySource {
 public:
  explicit SilentSource(std::optional<std::uint64_t> size) : size_(size) {}
  [[nodiscard]] std::optional<std::uint64_t> size() const override { return size_; }
  async::Task<Result<std::string_view>> read() override { co_return std::string_view(); }

 private:
  std::optional<std::uint64_t> size_;
};

TEST(MakeHttpRequestTest, is_the_head_only_of_a_request_with_a_source) {
  HttpRequest request;
  request.headers.add("Content-Length", "1");
  request.body_source = std::make_shared<SilentSource>(5'000'000'000);
  EXPECT_THAT(*make_http_request("a", request),
              testing::AllOf(HasSubstr("\r\nContent-Length: 5000000000\r\n"), Not(HasSubstr("chunked")),
                             Not(HasSubstr("Content-Length: 1\r")), testing::EndsWith("\r\n\r\n")));
  request.body_source = std::make_shared<SilentSource>(std::nullopt);
  EXPECT_THAT(*make_http_request("a", request),
              testing::AllOf(HasSubstr("\r\nTransfer-Encoding: chunked\r\n"), Not(HasSubstr("Content-Length"))));
  EXPECT_EQ(request.body_source->rewind().error().code, ErrorCode::unsupported);
  request.body = "x";
  EXPECT_EQ(make_http_request("a", request).error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace marketprism::net
