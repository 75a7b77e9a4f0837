#include "marketprism/net/http_reply.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/http_router.hpp"

namespace marketprism::net {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string head_of(HttpReply reply, HttpReplyContext context = {}) {
  std::string out;
  append_reply_head(out, reply, context);
  return out + reply.body;
}

TEST(HttpReplyTest, writes_the_head) {
  HttpReply reply;
  reply.body = "{}";
  reply.headers.add("X-A", "b");
  HttpReplyContext context;
  context.server_name = "s";
  EXPECT_EQ(head_of(reply, context),
            "HTTP/1.1 200 OK\r\nServer: s\r\nContent-Type: application/json\r\nContent-Length: 2\r\nX-A: b\r\n\r\n{}");
  context.keeps_alive = false;
  context.is_head = true;
  EXPECT_THAT(head_of(reply, context),
              testing::AllOf(HasSubstr("Content-Length: 2\r\n"), HasSubstr("Connection: close\r\n"),
                             testing::EndsWith("\r\n\r\n")));
}

TEST(HttpReplyTest, a_204_has_no_body) {
  HttpReply reply;
  reply.status = 204;
  reply.body = "x";
  EXPECT_EQ(head_of(reply), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(HttpReplyTest, a_header_that_would_split_the_reply_makes_it_a_500) {
  HttpReply reply;
  reply.headers.add("X", "a\r\nSet-Cookie: b");
  EXPECT_THAT(head_of(reply), testing::AllOf(HasSubstr("HTTP/1.1 500"), Not(HasSubstr("Set-Cookie"))));
  HttpReply length;
  length.headers.add("content-length", "7");
  EXPECT_THAT(head_of(length), HasSubstr("HTTP/1.1 500"));
  HttpReply type;
  type.content_type = "a\nb";
  EXPECT_THAT(head_of(type), HasSubstr("HTTP/1.1 500"));
}

TEST(HttpReplyTest, escapes_the_text_of_an_error) {
  EXPECT_EQ(make_error_reply(400, "a\"b\\c\nd").body, "{\"error\":\"a\\\"b\\\\c?d\"}\n");
}

TEST(HttpRouterTest, the_longest_and_most_exact_match_wins) {
  HttpRouter<int> router;
  EXPECT_TRUE(router.empty());
  router.add("GET", "/*", 1);
  router.add("GET", "/api/*", 2);
  router.add("GET", "/api/time", 3);
  router.add("*", "/api/time", 4);
  router.add("POST", "/api/order", 5);
  const auto find = [&router](std::string_view method, std::string_view path) {
    const auto match = router.find(method, path);
    return match.handler == nullptr ? 0 : *match.handler;
  };
  EXPECT_EQ(find("GET", "/"), 1);
  EXPECT_EQ(find("GET", "/api/depth"), 2);
  EXPECT_EQ(find("GET", "/api/time"), 3);
  EXPECT_EQ(find("PUT", "/api/time"), 4);
  EXPECT_EQ(find("POST", "/api/order"), 5);
  EXPECT_EQ(find("POST", "/api"), 0);
  EXPECT_TRUE(router.find("DELETE", "/api/order").path_exists);
  EXPECT_FALSE(router.find("GET", "relative").path_exists);
}

}  // namespace
}  // namespace marketprism::net
