#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "marketprism/async/event_loop.hpp"

namespace marketprism::async {

struct RuntimeOptions {
  std::size_t loops = 1;                    ///< event loops, one thread each; at least 1
  std::string thread_name = "marketprism";  ///< threads are called "<name>-0", "<name>-1", … (15 characters are shown)
  EventLoopOptions loop{};
  /// Processor cores: loop i runs on cores[i % size] only. Empty: wherever the kernel likes. A core that does not exist
  /// or is forbidden is logged and left out.
  std::vector<int> cores;
};

/// N event loops with one thread each. Owned by the program; its methods may be called from any thread but one at a
/// time. Objects belong to one loop: nothing moves between loops but messages (`EventLoop::post`, `Queue`).
class Runtime {
 public:
  explicit Runtime(RuntimeOptions options = {});
  /// Stops and joins.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  [[nodiscard]] std::size_t size() const { return loops_.size(); }
  [[nodiscard]] EventLoop& loop(std::size_t index) { return *loops_[index]; }
  /// The loops in turn.
  [[nodiscard]] EventLoop& next_loop() { return *loops_[next_++ % loops_.size()]; }

  /// Starts one thread for each loop.
  void start();
  /// Runs loop 0 on the calling thread and starts threads for the others; returns when stopped, all joined.
  void run();
  /// Makes all loops return. Any thread, also one of its own. What still waits in a loop ends with the runtime.
  void stop();
  /// Waits for the threads. Not from a thread of its own.
  void join();

 private:
  void start_from(std::size_t first);
  void run_loop(std::size_t index);

  RuntimeOptions options_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::vector<std::thread> threads_;
  std::size_t next_ = 0;
};

}  // namespace marketprism::async
