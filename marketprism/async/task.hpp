#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

namespace marketprism::async {

/// The executor of an event loop, as a concrete type: the type-erased `any_io_executor` costs an allocation an
/// operation.
using Executor = boost::asio::io_context::executor_type;

/// A coroutine on an event loop. It starts when it is awaited or spawned, and ends on the loop it was spawned on.
/// Failures come back as `Result`, never as exceptions.
template <class T = void>
using Task = boost::asio::awaitable<T, Executor>;

}  // namespace marketprism::async
