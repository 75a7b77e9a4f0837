#include "marketprism/net/http_redirect.hpp"

#include <gtest/gtest.h>

namespace marketprism::net {
namespace {

HttpHead response(int status, const std::string& location) {
  HttpHead head;
  EXPECT_TRUE(
      head.parse_response("HTTP/1.1 " + std::to_string(status) + " Moved\r\nLocation: " + location + "\r\n\r\n", 10));
  return head;
}

// Where it leads, or the name of the error.
std::string target(const std::string& from, const std::string& location) {
  wire::Url url = wire::parse_url(from).value();
  HttpRequest request;
  const auto taken = take_redirect(response(302, location), url, request);
  if (!taken) return std::string(name_of(taken.error().code));
  return url.to_string();
}

HttpRequest post() {
  HttpRequest request;
  request.method = "POST";
  request.body = "order";
  for (const char* name : {"Content-Type", "Authorization", "Cookie", "Proxy-Authorization", "Host", "X-Own"}) {
    request.headers.add(name, "x");
  }
  return request;
}

TEST(HttpRedirect, LocationsAreAbsoluteOrRelative) {
  const std::string base = "http://a.example:8080/b/c/d?q";
  EXPECT_EQ(target(base, "http://other.example/x?y#z"), wire::parse_url("http://other.example/x?y")->to_string());
  EXPECT_EQ(target(base, "//other.example/x"), wire::parse_url("http://other.example/x")->to_string());
  const auto here = [](const std::string& rest) {
    return wire::parse_url("http://a.example:8080" + rest)->to_string();
  };
  EXPECT_EQ(target(base, "/x/../y/./z"), here("/y/z"));
  EXPECT_EQ(target(base, "x"), here("/b/c/x"));
  EXPECT_EQ(target(base, "../x?p=/../"), here("/b/x?p=/../"));
  EXPECT_EQ(target(base, "../../../../x"), here("/x"));
  EXPECT_EQ(target(base, ".."), here("/b/"));
  EXPECT_EQ(target(base, "?p"), here("/b/c/d?p"));
  EXPECT_EQ(target(base, "#top:1"), here("/b/c/d?q"));
  EXPECT_EQ(target(base, "./a:b"), here("/b/c/a:b"));
  EXPECT_EQ(target("http://[::1]:81/", "/x"), wire::parse_url("http://[::1]:81/x")->to_string());
  EXPECT_EQ(target(base, "https://a.example/"), wire::parse_url("https://a.example/")->to_string());
}

TEST(HttpRedirect, WhatMustNotBeFollowedIsRefused) {
  EXPECT_EQ(target("https://a.example/", "http://a.example/"), "unsupported");
  EXPECT_EQ(target("http://a.example/", "ftp://a.example/"), "unsupported");
  EXPECT_EQ(target("http://a.example/", "ws://a.example/"), "unsupported");
  EXPECT_EQ(target("http://a.example/", "http://"), "malformed");
  EXPECT_EQ(target("http://a.example/", "/a b"), "malformed");
  EXPECT_EQ(target("http://a.example/", "javascript:alert"), "unsupported");
}

TEST(HttpRedirect, OtherResponsesAreNone) {
  wire::Url url = wire::parse_url("http://a.example/").value();
  HttpRequest request;
  for (const int status : {200, 201, 300, 304, 305, 306, 400}) {
    EXPECT_FALSE(take_redirect(response(status, "/x"), url, request).value()) << status;
  }
  HttpHead bare;
  ASSERT_TRUE(bare.parse_response("HTTP/1.1 302 Found\r\n\r\n", 10));
  EXPECT_FALSE(take_redirect(bare, url, request).value());
  EXPECT_EQ(url.path, "/");
}

TEST(HttpRedirect, MethodAndBodyFollowTheStatus) {
  const auto after = [](int status, const std::string& method) {
    wire::Url url = wire::parse_url("http://a.example/").value();
    HttpRequest request = post();
    request.method = method;
    EXPECT_TRUE(take_redirect(response(status, "/x"), url, request).value());
    EXPECT_EQ(request.headers.contains("Content-Type"), !request.body.empty());
    EXPECT_TRUE(request.headers.contains("X-Own") && request.headers.contains("Authorization"));
    return request.method + " " + request.body;
  };
  for (const int status : {301, 302, 303}) EXPECT_EQ(after(status, "POST"), "GET ") << status;
  for (const int status : {307, 308}) EXPECT_EQ(after(status, "POST"), "POST order") << status;
  for (const int status : {301, 302, 307, 308}) EXPECT_EQ(after(status, "PUT"), "PUT order") << status;
  EXPECT_EQ(after(303, "PUT"), "GET ");
  EXPECT_EQ(after(303, "HEAD"), "HEAD order");
}

TEST(HttpRedirect, SecretsStayWithTheirOrigin) {
  for (const std::string location :
       {"http://b.example/", "http://a.example:81/", "https://a.example/", "//b.example/x"}) {
    wire::Url url = wire::parse_url("http://a.example/").value();
    HttpRequest request = post();
    EXPECT_TRUE(take_redirect(response(307, location), url, request).value());
    for (const char* name : {"Authorization", "Cookie", "Proxy-Authorization", "Host"}) {
      EXPECT_FALSE(request.headers.contains(name)) << name << " to " << location;
    }
    EXPECT_TRUE(request.headers.contains("X-Own") && request.headers.contains("Content-Type"));
  }
  wire::Url url = wire::parse_url("http://a.example/").value();
  HttpRequest request = post();
  EXPECT_TRUE(take_redirect(response(307, "http://A.example:80/other"), url, request).value());
  EXPECT_TRUE(request.headers.contains("Cookie"));
}

}  // namespace
}  // namespace marketprism::net
