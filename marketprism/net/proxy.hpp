#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"

namespace marketprism::net {

/// A server that opens connections for others.
struct Proxy {
  enum class Kind : std::uint8_t {
    http,   ///< asked by CONNECT (RFC 9110, section 9.3.6); an HTTP pool has it forward its plain requests
    socks5  ///< RFC 1928; names are always resolved by the proxy
  };

  Kind kind = Kind::http;
  std::string host;
  std::uint16_t port = 0;
  std::string user;  ///< empty: none
  std::string password;

  /// "proxy.example:3128", without user and password.
  [[nodiscard]] std::string name() const;
  /// The value of the header Proxy-Authorization; empty without a user.
  [[nodiscard]] std::string authorization() const;
};

/// "http://[user:password@]host[:port]", "socks5://…" or "socks5h://…" (the same here); without a scheme it is http.
/// `invalid_argument` or `unsupported` (TLS to the proxy itself, SOCKS4), terminal; never repeats a password.
Result<Proxy> parse_proxy(std::string_view url);

/// Which proxy leads where. Immutable, may be shared by threads.
class ProxySettings {
 public:
  /// The value of an environment variable, empty if there is none.
  using Environment = std::function<std::string(const char* name)>;

  /// `setting`: "" for no proxy, the URL of one for all connections, or "environment" for what http_proxy, https_proxy,
  /// all_proxy and no_proxy say (in capitals too, but for HTTP_PROXY, which a web server sets from a request). From the
  /// environment no proxy is taken for this machine itself (localhost, 127.0.0.0/8, ::1). `environment`: none for the
  /// process's own. Errors name the variable.
  static Result<ProxySettings> parse(std::string_view setting, const Environment& environment = {});

  /// The proxy for connections to a host, null for none.
  [[nodiscard]] const Proxy* find(std::string_view host, std::uint16_t port, bool is_secure) const;
  [[nodiscard]] bool empty() const { return !plain_ && !secure_; }

 private:
  struct Exception {
    std::string host;        // "*" for all; a name stands for its subdomains as well
    std::uint16_t port = 0;  // 0: all
  };
  [[nodiscard]] bool is_excepted(std::string_view host, std::uint16_t port) const;
  void add_exceptions(std::string_view list);

  std::optional<Proxy> plain_;   // for http and ws
  std::optional<Proxy> secure_;  // for https and wss
  std::vector<Exception> exceptions_;
  bool spares_loopback_ = false;
};

using ProxySettingsPtr = std::shared_ptr<const ProxySettings>;

}  // namespace marketprism::net
