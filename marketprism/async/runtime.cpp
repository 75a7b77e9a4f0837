#include "marketprism/async/runtime.hpp"

#include <algorithm>
#include <cassert>
#include <pthread.h>

namespace marketprism::async {

Runtime::Runtime(RuntimeOptions options) : options_(std::move(options)) {
  const std::size_t count = std::max<std::size_t>(options_.loops, 1);
  loops_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) loops_.push_back(std::make_unique<EventLoop>(options_.loop));
}

Runtime::~Runtime() {
  stop();
  join();
}

void Runtime::start_from(std::size_t first) {
  assert(threads_.empty());
  for (std::size_t i = first; i < loops_.size(); ++i) {
    threads_.emplace_back([this, i] {
      const std::string suffix = "-" + std::to_string(i);
      const std::string name = options_.thread_name.substr(0, 15 - std::min<std::size_t>(suffix.size(), 15)) + suffix;
      pthread_setname_np(pthread_self(), name.c_str());
      loops_[i]->run();
    });
  }
}

void Runtime::start() { start_from(0); }

void Runtime::run() {
  start_from(1);
  loops_[0]->run();
  stop();
  join();
}

void Runtime::stop() {
  for (auto& loop : loops_) loop->stop();
}

void Runtime::join() {
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace marketprism::async
