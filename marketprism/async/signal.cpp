#include "marketprism/async/signal.hpp"

namespace marketprism::async {

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
  if (waiter_ == nullptr) return;
  timer_.disarm();
  unpark();
  Waiter waiter = std::exchange(waiter_, nullptr);
  if (loop_.is_ending()) return;  // destroys the waiting coroutine
  if (slot_.is_connected()) slot_.clear();
  waiter(outcome);
}

void Signal::abandon() {
  timer_.disarm();
  const Waiter waiter = std::exchange(waiter_, nullptr);
  // At the brace the coroutine is destroyed, and perhaps this object with it.
}

Task<Signal::Outcome> Signal::wait(Instant deadline) {
  if (take()) co_return Outcome::set;
  co_return co_await wait_unset(deadline);
}

}  // namespace marketprism::async
