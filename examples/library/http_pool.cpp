// A pool of HTTP connections. Run it with a URL: http_pool http://127.0.0.1:8080/
#include <iostream>

#include "marketprism/async/block_on.hpp"
#include "marketprism/net/http_connection_pool.hpp"

namespace mp = marketprism;

int main(int count, char** arguments) {
  mp::async::EventLoop loop;
  mp::net::HttpPoolOptions options;
  options.config.max_per_host = 8;
  options.tls = mp::net::TlsContext::make_client().value();
  auto pool = mp::net::HttpConnectionPool::create(loop, options).value();

  const auto fetch = [&pool](std::string url) -> mp::async::Task<int> {
    const auto response = co_await pool.get(std::move(url));
    std::cout << (response ? (*response)->body : response.error().to_string()) << "\n";
    co_return response ? 0 : 1;
  };
  return mp::async::block_on(loop, fetch(count == 2 ? arguments[1] : ""));
}
