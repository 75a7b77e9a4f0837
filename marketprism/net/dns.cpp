#include "marketprism/net/dns.hpp"

#include <utility>

#include "marketprism/net/resolver_threads.hpp"

namespace marketprism::net {
namespace {

// Never destroyed: at the end of the program a look-up may hang.
ResolverThreads& system_threads() {
  static auto* const threads = new ResolverThreads();
  return *threads;
}

}  // namespace

async::Task<Result<Addresses>> resolve(async::EventLoop& loop, std::string host, Instant deadline) {
  if (host.empty()) co_return fail(ErrorCode::invalid_argument, "the host name is empty", true);
  boost::system::error_code not_numeric;
  const auto numeric = boost::asio::ip::make_address(host, not_numeric);
  if (!not_numeric) co_return Addresses(1, numeric);
  co_return co_await system_threads().resolve(loop, std::move(host), deadline);
}

}  // namespace marketprism::net
