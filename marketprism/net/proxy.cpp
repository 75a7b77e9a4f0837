#include "marketprism/net/proxy.hpp"

#include <charconv>
#include <cstdlib>
#include <span>
#include <utility>

#include <boost/asio/ip/address.hpp>

#include "marketprism/net/socket.hpp"
#include "marketprism/wire/base64.hpp"
#include "marketprism/wire/http_message.hpp"
#include "marketprism/wire/url.hpp"

namespace marketprism::net {
namespace {

bool ends_with_ignoring_case(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && wire::equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

bool is_loopback(std::string_view host) {
  if (wire::equal_ignoring_case(host, "localhost") || ends_with_ignoring_case(host, ".localhost")) return true;
  // Asked for each request that a proxy may forward: a name is told from an address without making a text of it.
  if (host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return false;
  boost::system::error_code not_numeric;
  const auto address = boost::asio::ip::make_address(std::string(host), not_numeric);
  return !not_numeric && address.is_loopback();
}

std::string variable(const ProxySettings::Environment& environment, const char* name) {
  if (environment) return environment(name);
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nothing here sets variables
  return value == nullptr ? std::string() : std::string(value);
}

// The first of these variables that is set, as a proxy.
Result<std::optional<Proxy>> proxy_of(const ProxySettings::Environment& environment,
                                      std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const std::string value = variable(environment, name);
    if (value.empty()) continue;
    auto proxy = parse_proxy(value);
    if (!proxy) return fail_because(std::move(proxy.error()), "environment variable " + std::string(name));
    return std::move(*proxy);
  }
  return std::nullopt;
}

}  // namespace

std::string Proxy::name() const { return host_and_port(host, port); }

std::string Proxy::authorization() const {
  if (user.empty()) return {};
  const std::string credentials = user + ":" + password;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(credentials.data());
  return "Basic " + wire::base64_encode(std::span<const std::uint8_t>(bytes, credentials.size()));
}

Result<Proxy> parse_proxy(std::string_view text) {
  const bool has_scheme = text.find("://") != std::string_view::npos;
  const auto url = wire::parse_url(has_scheme ? std::string(text) : "http://" + std::string(text));
  if (!url) return fail_because(url.error(), "the proxy is not a URL like http://host:port or socks5://host:port");
  Proxy proxy;
  if (url->scheme == "socks5" || url->scheme == "socks5h") {
    proxy.kind = Proxy::Kind::socks5;
  } else if (url->scheme != "http") {
    return fail(ErrorCode::unsupported,
                "a proxy of scheme '" + url->scheme + "' is not spoken to here; there are http and socks5", true);
  }
  if (url->path != "/" || url->has_query) {
    return fail(ErrorCode::invalid_argument, "the proxy's URL has a path: give only http://host:port", true);
  }
  proxy.host = url->host;
  proxy.port = url->port;
  proxy.user = url->user;
  proxy.password = url->password;
  return proxy;
}

Result<ProxySettings> ProxySettings::parse(std::string_view setting, const Environment& environment) {
  ProxySettings settings;
  if (setting.empty()) return settings;
  if (setting != "environment") {
    auto proxy = parse_proxy(setting);
    if (!proxy) return std::unexpected(std::move(proxy.error()));
    settings.plain_ = settings.secure_ = std::move(*proxy);
    return settings;
  }
  auto plain = proxy_of(environment, {"http_proxy", "all_proxy", "ALL_PROXY"});
  if (!plain) return std::unexpected(std::move(plain.error()));
  auto secure = proxy_of(environment, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  if (!secure) return std::unexpected(std::move(secure.error()));
  settings.plain_ = std::move(*plain);
  settings.secure_ = std::move(*secure);
  std::string exceptions = variable(environment, "no_proxy");
  if (exceptions.empty()) exceptions = variable(environment, "NO_PROXY");
  settings.add_exceptions(exceptions);
  settings.spares_loopback_ = true;
  return settings;
}

// "example.com, .example.org, 192.0.2.1, [::1]:8080, *": what cannot be read is left out, as everybody does.
void ProxySettings::add_exceptions(std::string_view list) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view item = wire::trim_blanks(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    Exception exception;
    const std::size_t bracket = item.find(']');
    const std::size_t colon = item.find(':', bracket == std::string_view::npos ? 0 : bracket);
    const bool is_bare_ipv6 = bracket == std::string_view::npos && item.find(':') != item.rfind(':');
    if (colon != std::string_view::npos && !is_bare_ipv6) {
      const std::string_view digits = item.substr(colon + 1);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exception.port);
      if (error != std::errc() || end != digits.data() + digits.size()) continue;
      item = item.substr(0, colon);
    }
    if (item.starts_with('[') && item.ends_with(']')) item = item.substr(1, item.size() - 2);
    if (item.starts_with("*.")) item.remove_prefix(1);
    if (item.starts_with('.')) item.remove_prefix(1);
    if (item.empty()) continue;
    exception.host = item;
    exceptions_.push_back(std::move(exception));
  }
}

bool ProxySettings::is_excepted(std::string_view host, std::uint16_t port) const {
  if (spares_loopback_ && is_loopback(host)) return true;
  for (const Exception& exception : exceptions_) {
    if (exception.port != 0 && exception.port != port) continue;
    if (exception.host == "*" || wire::equal_ignoring_case(host, exception.host)) return true;
    if (!ends_with_ignoring_case(host, exception.host) || host.size() == exception.host.size()) continue;
    if (host[host.size() - exception.host.size() - 1] == '.') return true;
  }
  return false;
}

const Proxy* ProxySettings::find(std::string_view host, std::uint16_t port, bool is_secure) const {
  const std::optional<Proxy>& proxy = is_secure ? secure_ : plain_;
  return proxy && !is_excepted(host, port) ? &*proxy : nullptr;
}

}  // namespace marketprism::net
