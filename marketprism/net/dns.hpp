#pragma once
#include <functional>
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/task.hpp"
#include "marketprism/base/error.hpp"

namespace marketprism::net {

using Addresses = std::vector<boost::asio::ip::address>;

/// How names become addresses: `resolve`, or a test's own. Called on the loop; ends by the deadline.
using DnsResolver =
    std::function<async::Task<Result<Addresses>>(async::EventLoop& loop, std::string host, Instant deadline)>;

/// The addresses of a host, in the order the system prefers. An IP address as `host` is not looked up.
/// `not_found` if the name does not exist, `timed_out` at the deadline. The look-up runs on one of up to four threads
/// of the process (see ResolverThreads); at the deadline it is left behind, not waited for.
async::Task<Result<Addresses>> resolve(async::EventLoop& loop, std::string host, Instant deadline);

}  // namespace marketprism::net
