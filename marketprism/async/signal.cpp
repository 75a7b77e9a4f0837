#include "marketprism/async/signal.hpp"

#include <cassert>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>

namespace marketprism::async {

namespace asio = boost::asio;

Signal::Signal(EventLoop& loop)
    : loop_(loop), timer_([](void* self) { static_cast<Signal*>(self)->complete(Outcome::timed_out); }, this) {}

Signal::~Signal() { cancel(); }

void Signal::set() {
  if (waiter_) {
    complete(Outcome::set);
  } else {
    is_set_ = true;
  }
}

void Signal::cancel() { complete(Outcome::cancelled); }

void Signal::complete(Outcome outcome) {
  if (!waiter_) return;
  timer_.disarm();
  unpark();
  Waiter waiter = std::move(*waiter_);
  waiter_.reset();
  if (loop_.is_ending()) return;  // destroys the waiting coroutine
  asio::get_associated_cancellation_slot(waiter).clear();
  std::move(waiter)(outcome);
}

void Signal::abandon() {
  timer_.disarm();
  const Waiter waiter = std::move(*waiter_);
  waiter_.reset();
  // At the brace the coroutine is destroyed, and perhaps this object with it.
}

void Signal::start(Waiter waiter, Instant deadline) {
  assert(!waiter_ && "one waiter at a time");
  waiter_.emplace(std::move(waiter));
  park(loop_);
  auto slot = asio::get_associated_cancellation_slot(*waiter_);
  if (slot.is_connected()) {
    slot.assign([this](asio::cancellation_type) { complete(Outcome::cancelled); });
  }
  if (deadline != Instant::max()) loop_.timers().arm(timer_, deadline);
}

Task<Signal::Outcome> Signal::wait(Instant deadline) {
  if (is_set_) {
    is_set_ = false;
    co_return Outcome::set;
  }
  const Token token;
  co_return co_await asio::async_initiate<const Token, void(Outcome)>(
      [](Waiter waiter, Signal* self, Instant at) { self->start(std::move(waiter), at); }, token, this, deadline);
}

}  // namespace marketprism::async
