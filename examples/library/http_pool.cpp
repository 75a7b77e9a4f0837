// A pool of HTTP connections. Run it with a URL: http_pool http://127.0.0.1:8080/
#include <iostream>

#include "marketprism/async/block_on.hpp"
#include "marketprism/net/http_connection_pool.hpp"

using namespace marketprism;

int main(int, char** arguments) {
  async::EventLoop loop;
  net::HttpPoolOptions options;
  options.config.max_per_host = 8;
  options.tls = net::TlsContext::make_client().value();
  auto pool = net::HttpConnectionPool::create(loop, options).value();

  const auto fetch = [](net::HttpConnectionPool& connections, wire::Url url) -> async::Task<int> {
    net::HttpRequest request;
    const auto response = co_await connections.request(std::move(url), std::move(request));
    std::cout << (response ? (*response)->body : response.error().to_string()) << "\n";
    co_return response ? 0 : 1;
  };
  return async::block_on(loop, fetch(pool, wire::parse_url(arguments[1]).value()));
}
