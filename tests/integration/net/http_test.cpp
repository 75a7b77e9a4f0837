#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "marketprism/net/http_connection.hpp"
#include "marketprism/net/http_server.hpp"
#include "tests/integration/net/loop_fixture.hpp"

namespace marketprism::net {
namespace {

using testing::HasSubstr;

// Every test runs over TCP and over TLS.
class HttpTest : public testing::TestWithParam<bool>, public LoopFixture {
 protected:
  HttpServerOptions server_options() const {
    HttpServerOptions options;
    if (GetParam()) options.tls = server_context();
    return options;
  }
  ConnectTarget target(std::uint16_t port) const {
    ConnectTarget out;
    out.host = "localhost";
    out.connect_to = "127.0.0.1";
    out.port = port;
    if (GetParam()) out.tls = client_context();
    return out;
  }
  std::unique_ptr<HttpConnection> connect(std::uint16_t port, HttpConnectionOptions options = {}) {
    auto connection = run(HttpConnection::connect(loop, target(port), soon(), options));
    EXPECT_TRUE(connection.has_value()) << connection.error().to_string();
    return std::move(connection.value());
  }
};

std::string get(std::string target, std::string method = "GET", std::string body = "") {
  HttpRequest request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.body = std::move(body);
  return make_http_request("localhost", request).value();
}

TEST_P(HttpTest, serves_many_requests_on_one_connection) {
  HttpServer server(loop, server_options());
  server.handle("GET", "/hello", [](const HttpServerRequest& request) {
    HttpReply reply;
    reply.body = "hello " + request.head.query_value("name").value_or("nobody");
    return reply;
  });
  server.handle("POST", "/echo/*", [](const HttpServerRequest& request) {
    HttpReply reply;
    reply.status = 201;
    reply.body = request.body;
    return reply;
  });
  const auto port = server.listen().value();
  const auto connection = connect(port);
  for (int i = 0; i < 20; ++i) {
    const std::string text = get("/hello?name=a%20b" + std::to_string(i));
    const auto response = run(connection->send(text));
    ASSERT_TRUE(response) << response.error().to_string();
    EXPECT_EQ((*response)->status(), 200);
    EXPECT_EQ((*response)->body, "hello a b" + std::to_string(i));
    EXPECT_TRUE(connection->is_reusable());
  }
  const std::string big(3'000'000, 'x');
  const std::string text = get("/echo/1", "POST", big);
  const auto response = run(connection->send(text));
  ASSERT_TRUE(response) << response.error().to_string();
  EXPECT_EQ((*response)->status(), 201);
  EXPECT_EQ((*response)->body, big);
  EXPECT_EQ(server.statistics().accepted, 1U);
  EXPECT_EQ(server.statistics().requests, 21U);
}

INSTANTIATE_TEST_SUITE_P(transports, HttpTest, testing::Bool(),
                         [](const auto& info) { return info.param ? std::string("tls") : std::string("tcp"); });

}  // namespace
}  // namespace marketprism::net
