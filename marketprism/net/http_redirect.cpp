#include "marketprism/net/http_redirect.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace marketprism::net {
namespace {

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// RFC 3986, section 3.1: a scheme ends with the first ':', which comes before any '/' and '?'. Empty: there is none.
std::string_view scheme_of(std::string_view reference) {
  const std::size_t end = reference.find_first_of(":/?");
  return end != std::string_view::npos && reference[end] == ':' ? reference.substr(0, end) : std::string_view();
}

// RFC 3986, section 5.2.4, of a path that begins with '/'.
std::string without_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    if (segment == "/." || segment == "/..") {
      if (segment == "/..") out.erase(std::min(out.rfind('/'), out.size()));
      if (path.empty()) out += '/';
    } else {
      out += segment;
    }
  }
  return out;
}

// RFC 3986, section 5.2.2, as text.
std::string resolve(const wire::Url& base, std::string_view reference) {
  if (!scheme_of(reference).empty()) return std::string(reference);
  if (reference.starts_with("//")) return base.scheme + ":" + std::string(reference);
  const std::string origin = base.scheme + "://" + base.host_and_port();
  if (reference.empty()) return origin + base.target();
  if (reference.starts_with('?')) return origin + base.path + std::string(reference);
  const std::size_t path_end = std::min(reference.find('?'), reference.size());
  std::string path(reference.substr(0, path_end));
  if (!path.starts_with('/')) path.insert(0, base.path.substr(0, base.path.rfind('/') + 1));
  return origin + without_dots(path) + std::string(reference.substr(path_end));
}

void drop_body(HttpRequest& request) {
  request.body.clear();
  request.body_source.reset();
  for (const std::string_view name :
       {"Content-Type", "Content-Encoding", "Content-Language", "Content-Location", "Content-Length"}) {
    request.headers.remove(name);
  }
}

}  // namespace

Result<bool> take_redirect(const HttpHead& response, wire::Url& url, HttpRequest& request) {
  const auto location = response.find("Location");
  if (!is_redirect(response.status()) || !location) return false;
  const std::string_view reference = location->substr(0, location->find('#'));
  const std::string_view scheme = scheme_of(reference);
  if (!scheme.empty() && !wire::equal_ignoring_case(scheme, "http") && !wire::equal_ignoring_case(scheme, "https")) {
    return fail(ErrorCode::unsupported,
                url.to_string() + ": redirected to '" + std::string(*location) + "', which is neither http nor https");
  }
  auto next = wire::parse_url(resolve(url, reference));
  if (!next) {
    return fail(ErrorCode::malformed,
                url.to_string() + ": redirected to '" + std::string(*location) + "': " + next.error().message);
  }
  if (url.is_secure() && !next->is_secure()) {
    return fail(ErrorCode::unsupported,
                url.to_string() + ": redirected to " + next->to_string() + ", out of TLS; this is not followed");
  }
  const int status = response.status();
  const bool is_post = request.method == "POST";
  if ((status == 303 && request.method != "HEAD") || ((status == 301 || status == 302) && is_post)) {
    request.method = "GET";
    drop_body(request);
  }
  if (next->scheme != url.scheme || next->host != url.host || next->port != url.port) {
    for (const std::string_view name : {"Authorization", "Cookie", "Proxy-Authorization", "Host"}) {
      request.headers.remove(name);
    }
  }
  url = std::move(*next);
  return true;
}

}  // namespace marketprism::net
