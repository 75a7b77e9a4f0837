// A pool of HTTP connections. Run it with a URL: http_pool http://127.0.0.1:8080/
#include <iostream>

#include "marketprism/async/block_on.hpp"
#include "marketprism/net/http_connection_pool.hpp"

namespace mp = marketprism;

int main(int count, char** arguments) {
  const auto url = mp::wire::parse_url(count == 2 ? arguments[1] : "");
  if (!url) {
    std::cerr << url.error().to_string() << "\nusage: http_pool URL\n";
    return 2;
  }
  mp::async::EventLoop loop;
  mp::net::HttpPoolOptions options;
  options.config.max_per_host = 8;
  options.tls = mp::net::TlsContext::make_client().value();
  auto pool = mp::net::HttpConnectionPool::create(loop, options).value();

  const auto fetch = [](mp::net::HttpConnectionPool& connections, mp::wire::Url target) -> mp::async::Task<int> {
    mp::net::HttpRequest request;
    const auto response = co_await connections.request(std::move(target), std::move(request));
    std::cout << (response ? (*response)->body : response.error().to_string()) << "\n";
    co_return response ? 0 : 1;
  };
  return mp::async::block_on(loop, fetch(pool, *url));
}
