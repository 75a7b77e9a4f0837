#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "marketprism/net/dns.hpp"

namespace marketprism::net {

struct ResolverThreadsOptions {
  std::size_t threads_max = 4;                       ///< look-ups at once, at least 1
  std::size_t names_max = 1024;                      ///< names that wait for a thread; one more fails with `exhausted`
  Nanoseconds idle_time = std::chrono::seconds(10);  ///< a thread that had no work for so long ends
  /// Called on the threads, several at once; blocks until it knows. None: the system's `getaddrinfo`.
  std::function<Result<Addresses>(const std::string& host)> look_up;
};

/// Looks names up beside the event loops, because the system's look-up blocks and cannot be ended: a name that hangs
/// takes one of a few threads, and others go on. Threads are started when they are needed. Who asks for a name that is
/// being looked up joins that look-up. Any number of loops may share one.
class ResolverThreads {
 public:
  explicit ResolverThreads(ResolverThreadsOptions options = {});
  /// Waits for the look-ups under way. Nobody may wait in `resolve` any more.
  ~ResolverThreads();
  ResolverThreads(const ResolverThreads&) = delete;
  ResolverThreads& operator=(const ResolverThreads&) = delete;

  /// Call it on `loop`, which may be destroyed before the look-up ends. At the deadline, or when it is cancelled, the
  /// look-up is left behind; one that had not begun is dropped. `timed_out`, `cancelled`, `exhausted`, or what
  /// `look_up` says.
  async::Task<Result<Addresses>> resolve(async::EventLoop& loop, std::string host, Instant deadline);

  /// That there are now, idle ones included. Any thread.
  [[nodiscard]] std::size_t threads() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace marketprism::net
