#include "marketprism/net/http_reply.hpp"

namespace marketprism::net {

std::string_view reason_of(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 418: return "I'm a teapot";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

HttpReply make_error_reply(int status, std::string_view text) {
  HttpReply reply;
  reply.status = status;
  reply.body = "{\"error\":\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') reply.body += '\\';
    reply.body += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  }
  reply.body += "\"}\n";
  return reply;
}

void append_reply_head(std::string& out, HttpReply& reply, const HttpReplyContext& context) {
  for (const auto& [name, value] : reply.headers) {
    if (!wire::check_header(name, value) || wire::equal_ignoring_case(name, "Content-Length") ||
        wire::equal_ignoring_case(name, "Transfer-Encoding")) {
      reply = make_error_reply(500, "the handler made a header that cannot be sent: " + name);
      break;
    }
  }
  if (!wire::check_header("Content-Type", reply.content_type) || reply.status < 100 || reply.status > 999) {
    reply = make_error_reply(500, "the handler made a reply that cannot be sent");
  }
  const bool has_length = reply.status >= 200 && reply.status != 204;
  if (!has_length || reply.status == 304) reply.body.clear();
  out += "HTTP/1.1 ";
  out += std::to_string(reply.status);
  out += ' ';
  out += reason_of(reply.status);
  out += "\r\n";
  if (!context.server_name.empty()) {
    out += "Server: ";
    out += context.server_name;
    out += "\r\n";
  }
  if (!reply.content_type.empty() && !reply.body.empty()) {
    out += "Content-Type: ";
    out += reply.content_type;
    out += "\r\n";
  }
  if (has_length && reply.status != 304) {
    out += "Content-Length: ";
    out += std::to_string(reply.body.size());
    out += "\r\n";
  }
  for (const auto& [name, value] : reply.headers) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  if (!context.keeps_alive || reply.close) out += "Connection: close\r\n";
  out += "\r\n";
  if (context.is_head) reply.body.clear();
}

}  // namespace marketprism::net
