#include "marketprism/async/runtime.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <pthread.h>
#include <sched.h>

#include "marketprism/base/log.hpp"

namespace marketprism::async {

namespace {

void bind_to_core(std::size_t loop, int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (core >= 0 && core < CPU_SETSIZE) CPU_SET(static_cast<std::size_t>(core), &cores);
  const int error = pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
  if (error == 0) return;
  log(LogLevel::warning, "async",
      "loop " + std::to_string(loop) + " cannot be bound to core " + std::to_string(core) + ": " +
          std::strerror(error) + "; it runs on any core, correct the setting");
}

}  // namespace

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
      run_loop(i);
    });
  }
}

void Runtime::run_loop(std::size_t index) {
  if (!options_.cores.empty()) bind_to_core(index, options_.cores[index % options_.cores.size()]);
  loops_[index]->run();
}

void Runtime::start() { start_from(0); }

void Runtime::run() {
  start_from(1);
  run_loop(0);
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
