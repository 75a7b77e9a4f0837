#pragma once
#include <string>
#include <vector>

#include <boost/asio/ip/address.hpp>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/task.hpp"
#include "marketprism/base/error.hpp"

namespace marketprism::net {

/// The addresses of a host, in the order the system prefers. An IP address as `host` is not looked up.
/// `not_found` if the name does not exist, `timed_out` at the deadline. The look-up runs on a thread of Asio's; at the
/// deadline it is left behind, not waited for.
async::Task<Result<std::vector<boost::asio::ip::address>>> resolve(async::EventLoop& loop, std::string host,
                                                                   Instant deadline);

}  // namespace marketprism::net
