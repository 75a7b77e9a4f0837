#include "marketprism/net/dns.hpp"

#include <memory>

#include <boost/asio/ip/tcp.hpp>

#include "marketprism/async/signal.hpp"

namespace marketprism::net {
namespace {

namespace asio = boost::asio;
using Resolver = asio::ip::basic_resolver<asio::ip::tcp, async::Executor>;

// Shared with the look-up, which may outlive the coroutine that wanted it.
struct Lookup {
  explicit Lookup(async::EventLoop& loop) : resolver(loop.context().get_executor()), done(loop) {}
  Resolver resolver;
  async::Signal done;
  boost::system::error_code error;
  Addresses addresses;
};

Error lookup_error(const boost::system::error_code& error, const std::string& host) {
  if (error == asio::error::host_not_found || error == asio::error::no_data) {
    return {ErrorCode::not_found, host + ": no such host name; check the spelling, and the DNS of this machine", false,
            nullptr};
  }
  if (error == asio::error::host_not_found_try_again) {
    return {ErrorCode::not_found, host + ": the name servers of this machine do not answer; check its network", false,
            nullptr};
  }
  if (error == asio::error::operation_aborted) return {ErrorCode::cancelled, host + ": cancelled", false, nullptr};
  return {ErrorCode::io_failed, host + ": looking up the name failed: " + error.message(), false, nullptr};
}

}  // namespace

async::Task<Result<Addresses>> resolve(async::EventLoop& loop, std::string host, Instant deadline) {
  if (host.empty()) co_return fail(ErrorCode::invalid_argument, "the host name is empty", true);
  boost::system::error_code not_numeric;
  const auto numeric = asio::ip::make_address(host, not_numeric);
  if (!not_numeric) co_return Addresses(1, numeric);

  const auto lookup = std::make_shared<Lookup>(loop);
  lookup->resolver.async_resolve(host, "",
                                 [lookup](boost::system::error_code error, const Resolver::results_type& results) {
                                   lookup->error = error;
                                   for (const auto& entry : results)
                                     lookup->addresses.push_back(entry.endpoint().address());
                                   lookup->done.set();
                                 });
  const auto outcome = co_await lookup->done.wait(deadline);
  loop.refresh_now();
  if (outcome == async::Signal::Outcome::timed_out) {
    co_return fail(ErrorCode::timed_out, host + ": looking up the name took too long; check the DNS of this machine");
  }
  if (outcome == async::Signal::Outcome::cancelled) co_return fail(ErrorCode::cancelled, host + ": cancelled");
  if (lookup->error) co_return std::unexpected(lookup_error(lookup->error, host));
  co_return std::move(lookup->addresses);
}

}  // namespace marketprism::net
