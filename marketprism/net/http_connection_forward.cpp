// The part of HttpConnection that asks a proxy to forward requests.
#include <array>
#include <charconv>
#include <string>

#include "marketprism/net/http_connection_state.hpp"

namespace marketprism::net {

void HttpConnection::forward_to(const wire::Url& origin, std::string_view credentials) {
  constexpr std::uint16_t default_port = 80;
  std::string& prefix = state_->forward_prefix;
  prefix.assign("http://").append(origin.is_ipv6 ? "[" : "").append(origin.host).append(origin.is_ipv6 ? "]" : "");
  if (origin.port != default_port) {
    std::array<char, 8> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), origin.port).ptr;
    prefix.append(":").append(digits.data(), end);
  }
  std::string& header = state_->forward_header;
  header.clear();
  if (!credentials.empty()) header.append("\r\nProxy-Authorization: ").append(credentials);
}

// RFC 9112, sections 3.2.2 and 3.2.4. A target that is in that form already stays as it is.
std::string_view HttpConnection::State::in_absolute_form(std::string_view request) {
  const std::size_t method_end = request.find(' ');
  const std::size_t line_end = request.find("\r\n");
  if (method_end == std::string_view::npos || line_end == std::string_view::npos) return request;
  const std::string_view rest = request.substr(method_end + 1);
  forwarded.assign(request.substr(0, method_end + 1));
  if (rest.starts_with('/') || rest.starts_with('*')) forwarded.append(forward_prefix);
  const std::size_t from = method_end + (rest.starts_with('*') ? 2 : 1);
  forwarded.append(request.substr(from, line_end - from)).append(forward_header).append(request.substr(line_end));
  return forwarded;
}

}  // namespace marketprism::net
