#include "marketprism/wire/websocket_handshake.hpp"

#include <gtest/gtest.h>

#include "marketprism/wire/base64.hpp"
#include "marketprism/wire/sha1.hpp"

namespace marketprism::wire {
namespace {

constexpr std::string_view rfc_key = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455, section 1.3
constexpr std::string_view rfc_accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

std::string hex(std::string_view text) {
  std::string out;
  for (const std::uint8_t byte : sha1(text)) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

TEST(Sha1, AgreesWithTheExamplesOfTheRfc) {  // RFC 3174, section 7.3
  EXPECT_EQ(hex(""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  EXPECT_EQ(hex("abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(hex(std::string(1'000'000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
  EXPECT_EQ(hex("0123456701234567012345670123456701234567012345670123456701234567"),
            "e0c094e867ef46c350ef54a7f59dd60bed92ae83");
}

TEST(Base64, AgreesWithTheExamplesOfTheRfcAndRefusesTheRest) {  // RFC 4648, section 10
  const std::pair<std::string, std::string> rows[] = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"},
                                                      {"\xFF\xEF\xBE", "/+++"}};
  for (const auto& [clear, encoded] : rows) {
    EXPECT_EQ(base64_encode({reinterpret_cast<const std::uint8_t*>(clear.data()), clear.size()}), encoded);
    EXPECT_EQ(base64_decode(encoded).value(), clear);
  }
  for (const char* bad :
       {"Zg", "Zg=", "Zg===", "Z===", "====", "=Zg=", "Zg==Zg==", "Zh==", "Zm9=", "Zm9v\n", "Zm_v", " Zm9"}) {
    EXPECT_FALSE(base64_decode(bad)) << bad;
  }
}

TEST(WebSocketHandshake, ComputesTheKeysOfTheRfc) {
  std::array<std::byte, 16> nonce{};
  for (std::size_t i = 0; i < nonce.size(); ++i) nonce[i] = static_cast<std::byte>("the sample nonce"[i]);
  EXPECT_EQ(make_websocket_key(nonce), rfc_key);
  EXPECT_EQ(make_websocket_accept(rfc_key), rfc_accept);
}

TEST(WebSocketHandshake, WritesTheRequest) {
  WebSocketOffer offer{.host = "a:8080",
                       .target = "/ws?x=1",
                       .subprotocols = {"v2", "v1"},
                       .deflate = DeflateOptions{},
                       .headers = {{"Origin", "http://a"}}};
  EXPECT_EQ(
      make_websocket_request(offer, rfc_key).value(),
      "GET /ws?x=1 HTTP/1.1\r\nHost: a:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v2, v1\r\n"
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nOrigin: http://a\r\n\r\n");
  const WebSocketOffer bad[] = {
      {.host = ""},
      {.host = "a\r\nX: y"},
      {.host = "a", .target = "/ x"},
      {.host = "a", .subprotocols = {"a,b"}},
      {.host = "a", .subprotocols = {""}},
      {.host = "a", .headers = {{"sec-websocket-key", "x"}}},
      {.host = "a", .headers = {{"HOST", "x"}}},
      {.host = "a", .headers = {{"X", "a\nb"}}},
  };
  for (const WebSocketOffer& wrong : bad) {
    EXPECT_EQ(make_websocket_request(wrong, rfc_key).error().code, ErrorCode::invalid_argument);
  }
  EXPECT_FALSE(make_websocket_request({.host = "a"}, "short"));
}

HttpResponseHead good_response() {
  return {.status = 101,
          .reason = "Switching Protocols",
          .headers = {{"upgrade", "WebSocket"},
                      {"connection", "keep-alive, upgrade"},
                      {"sec-websocket-accept", std::string(rfc_accept)}}};
}

TEST(WebSocketHandshake, ChecksTheServersAnswer) {
  const WebSocketOffer offer{.host = "a", .subprotocols = {"v2", "v1"}, .deflate = DeflateOptions{}};
  auto agreed = check_websocket_response(offer, rfc_key, good_response());
  ASSERT_TRUE(agreed) << agreed.error().message;
  EXPECT_EQ(agreed->subprotocol, "");
  EXPECT_EQ(agreed->deflate, std::nullopt);
  auto rich = good_response();
  rich.headers.add("Sec-WebSocket-Protocol", "v1");
  rich.headers.add("Sec-WebSocket-Extensions", "permessage-deflate; server_no_context_takeover");
  agreed = check_websocket_response(offer, rfc_key, rich);
  ASSERT_TRUE(agreed) << agreed.error().message;
  EXPECT_EQ(agreed->subprotocol, "v1");
  ASSERT_TRUE(agreed->deflate);
  EXPECT_TRUE(agreed->deflate->server_no_context_takeover);

  const std::pair<const char*, const char*> bad[] = {
      {"Upgrade", "h2c"},
      {"Upgrade", "websocket, websocket"},
      {"Connection", "close"},
      {"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO="},
      {"Sec-WebSocket-Accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
      {"Sec-WebSocket-Protocol", "v3"},
      {"Sec-WebSocket-Protocol", ""},
      {"Sec-WebSocket-Protocol", "v1, v2"},
      {"Sec-WebSocket-Extensions", "x-webkit-deflate-frame"},
      {"Sec-WebSocket-Extensions", "permessage-deflate; bogus"},
  };
  for (const auto& [name, value] : bad) {
    auto response = good_response();
    response.headers.set(name, value);
    EXPECT_EQ(check_websocket_response(offer, rfc_key, response).error().code, ErrorCode::malformed)
        << name << ": " << value;
  }
  for (const char* name : {"Upgrade", "Connection", "Sec-WebSocket-Accept"}) {
    auto response = good_response();
    response.headers.remove(name);
    EXPECT_FALSE(check_websocket_response(offer, rfc_key, response)) << name;
  }
  auto old = good_response();
  old.minor_version = 0;
  EXPECT_FALSE(check_websocket_response(offer, rfc_key, old));
  EXPECT_FALSE(check_websocket_response({.host = "a"}, rfc_key, rich)) << "nothing of this was offered";
}

TEST(WebSocketHandshake, TellsWhatTheServersRefusalMeans) {
  struct Row {
    int status;
    ErrorCode code;
    bool is_terminal;
  };
  for (const Row& row :
       {Row{429, ErrorCode::rate_limited, false}, Row{418, ErrorCode::rate_limited, false},
        Row{404, ErrorCode::rejected, true}, Row{403, ErrorCode::rejected, false}, Row{503, ErrorCode::rejected, false},
        Row{302, ErrorCode::rejected, true}, Row{200, ErrorCode::rejected, false}}) {
    HttpResponseHead response{.status = row.status, .reason = "why", .headers = {{"Retry-After", "17"}}};
    const auto checked = check_websocket_response({.host = "a"}, rfc_key, response);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, row.code) << row.status;
    EXPECT_EQ(checked.error().is_terminal, row.is_terminal) << row.status;
    EXPECT_NE(checked.error().message.find(std::to_string(row.status) + " why"), std::string::npos);
    EXPECT_NE(checked.error().message.find("17"), std::string::npos);
  }
}

HttpRequestHead good_request() {
  return {.target = "/ws",
          .headers = {{"Host", "a"},
                      {"Upgrade", "websocket"},
                      {"Connection", "keep-alive, Upgrade"},
                      {"Sec-WebSocket-Key", std::string(rfc_key)},
                      {"Sec-WebSocket-Version", "13"}}};
}

TEST(WebSocketHandshake, AnswersARequest) {
  const WebSocketPolicy policy{.subprotocols = {"v1", "v2"}, .deflate = DeflateOptions{}, .headers = {{"Server", "s"}}};
  auto request = good_request();
  EXPECT_TRUE(is_websocket_request(request));
  auto answer = answer_websocket_request(request, policy);
  EXPECT_TRUE(answer.is_accepted());
  EXPECT_EQ(answer.response,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nServer: s\r\n\r\n");
  request.headers.add("Sec-WebSocket-Protocol", "v9, v2");
  request.headers.add("Sec-WebSocket-Protocol", "v1");
  request.headers.add("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
  answer = answer_websocket_request(request, policy);
  EXPECT_EQ(answer.agreement.subprotocol, "v2") << "the client's order counts";
  EXPECT_EQ(answer.agreement.deflate, DeflateParameters{});
  EXPECT_NE(answer.response.find("Sec-WebSocket-Extensions: permessage-deflate\r\n"), std::string::npos);
  answer = answer_websocket_request(request, {});
  EXPECT_TRUE(answer.is_accepted());
  EXPECT_EQ(answer.agreement.deflate, std::nullopt);
  EXPECT_EQ(answer.response.find("Sec-WebSocket-Extensions"), std::string::npos);
}

TEST(WebSocketHandshake, RefusesBadRequests) {
  struct Row {
    const char* name;
    const char* value;  ///< null: the header is missing
    int status;
  };
  const Row rows[] = {
      {"Host", nullptr, 400},
      {"Upgrade", nullptr, 426},
      {"Upgrade", "h2c", 426},
      {"Connection", nullptr, 400},
      {"Connection", "close", 400},
      {"Sec-WebSocket-Key", nullptr, 400},
      {"Sec-WebSocket-Key", "c2hvcnQ=", 400},
      {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ", 400},
      {"Sec-WebSocket-Version", nullptr, 400},
      {"Sec-WebSocket-Version", "8", 426},
      {"Sec-WebSocket-Version", "13, 8", 426},
      {"Content-Length", "5", 400},
      {"Transfer-Encoding", "chunked", 400},
  };
  for (const Row& row : rows) {
    auto request = good_request();
    request.headers.remove(row.name);
    if (row.value != nullptr) request.headers.add(row.name, row.value);
    const auto answer = answer_websocket_request(request, {});
    EXPECT_EQ(answer.status, row.status) << row.name;
    EXPECT_FALSE(answer.is_accepted());
    EXPECT_FALSE(answer.problem.empty());
    const std::size_t end = answer.response.find("\r\n\r\n");
    ASSERT_NE(end, std::string::npos);
    const auto head = parse_response_head(answer.response.substr(0, end + 4));
    ASSERT_TRUE(head);
    EXPECT_EQ(head->status, row.status);
    EXPECT_EQ(head->headers.find("Content-Length"), std::to_string(answer.response.size() - end - 4));
    EXPECT_EQ(head->headers.find("Sec-WebSocket-Version").has_value(), row.status == 426);
  }
  for (const char* name : {"Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version"}) {
    auto request = good_request();
    request.headers.add(name, *request.headers.find(name));
    EXPECT_EQ(answer_websocket_request(request, {}).status, 400) << name << " twice";
  }
  auto post = good_request();
  post.method = "POST";
  EXPECT_EQ(answer_websocket_request(post, {}).status, 400);
  auto old = good_request();
  old.minor_version = 0;
  EXPECT_EQ(answer_websocket_request(old, {}).status, 400);
}

TEST(WebSocketHandshake, ClientAndServerAgree) {
  const WebSocketOffer offer{
      .host = "a", .subprotocols = {"x", "y"}, .deflate = DeflateOptions{.wanted = {.server_max_window_bits = 10}}};
  const auto request = parse_request_head(make_websocket_request(offer, rfc_key).value());
  ASSERT_TRUE(request);
  const auto answer = answer_websocket_request(
      *request, {.subprotocols = {"y"}, .deflate = DeflateOptions{.wanted = {.client_max_window_bits = 9}}});
  const auto response = parse_response_head(answer.response);
  ASSERT_TRUE(response);
  const auto agreed = check_websocket_response(offer, rfc_key, *response);
  ASSERT_TRUE(agreed) << agreed.error().message;
  EXPECT_EQ(agreed->subprotocol, "y");
  EXPECT_EQ(agreed->deflate, answer.agreement.deflate);
  EXPECT_EQ(agreed->deflate, (DeflateParameters{.server_max_window_bits = 10, .client_max_window_bits = 9}));
}

}  // namespace
}  // namespace marketprism::wire
