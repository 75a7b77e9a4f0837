#pragma once
#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>

#include "marketprism/async/event_loop.hpp"

namespace marketprism::async {

/// Runs the loop on the calling thread until the task is done and returns its value. For tests, tools and `main`.
template <class T>
T block_on(EventLoop& loop, Task<T> task) {
  std::optional<T> value;
  std::exception_ptr failure;
  boost::asio::co_spawn(loop.context(), std::move(task), [&](std::exception_ptr error, T result) {
    failure = std::move(error);
    value.emplace(std::move(result));
    loop.stop();
  });
  loop.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*value);
}

inline void block_on(EventLoop& loop, Task<> task) {
  std::exception_ptr failure;
  boost::asio::co_spawn(loop.context(), std::move(task), [&](std::exception_ptr error) {
    failure = std::move(error);
    loop.stop();
  });
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace marketprism::async
