#include "marketprism/sink/parquet/part_queue.hpp"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "marketprism/sink/part_file.hpp"

namespace marketprism::sink {
namespace {

// A third of a core where all cores are busy, a whole one else.
constexpr int niceness = 5;

}  // namespace

PartQueue::PartQueue(std::unique_ptr<PartWriter> writer, std::string folder)
    : writer_(std::move(writer)), folder_(std::move(folder)), thread_([this] { run(); }) {}

PartQueue::~PartQueue() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  has_work_.notify_one();
  thread_.join();
}

void PartQueue::add(std::unique_ptr<Part> part) {
  ++size_;
  rows_ += part->table.rows();
  memory_bytes_ += part->table.bytes();
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(part));
  }
  has_work_.notify_one();
}

std::optional<PartQueue::Outcome> PartQueue::take(std::unique_lock<std::mutex>& lock) {
  std::optional<Outcome> outcome(std::move(done_.front()));
  done_.pop_front();
  lock.unlock();
  --size_;
  rows_ -= outcome->rows;
  memory_bytes_ -= outcome->memory_bytes;
  return outcome;
}

std::optional<PartQueue::Outcome> PartQueue::take() {
  if (size_ == 0) return std::nullopt;
  std::unique_lock lock(mutex_);
  if (done_.empty()) return std::nullopt;
  return take(lock);
}

std::optional<PartQueue::Outcome> PartQueue::wait() {
  if (size_ == 0) return std::nullopt;
  std::unique_lock lock(mutex_);
  has_outcome_.wait(lock, [this] { return !done_.empty(); });
  return take(lock);
}

PartQueue::Outcome PartQueue::write(std::unique_ptr<Part> part) {
  const PartTable& table = part->table;
  Outcome outcome{
      .type = part->type,
      .rows = table.rows(),
      .events = table.events(),
      .inexact_values = table.inexact_values(),
      .memory_bytes = table.bytes(),
      .finished = writer_->write(table, fmt::format("{}/type={}/exchange={}/date={}", folder_, name_of(part->type),
                                                    part->exchange, date_text(part->day))),
      .part = nullptr};
  if (!outcome.finished) outcome.part = std::move(part);
  return outcome;
}

void PartQueue::run() {
  static_cast<void>(::pthread_setname_np(::pthread_self(), "parquet"));
  // For the calling thread alone, as Linux has it. Where it is refused, the parts are written at full priority.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), niceness));
  for (;;) {
    std::unique_lock lock(mutex_);
    has_work_.wait(lock, [this] { return is_ending_ || !waiting_.empty(); });
    if (is_ending_) return;
    std::unique_ptr<Part> part = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Outcome outcome = write(std::move(part));
    lock.lock();
    done_.push_back(std::move(outcome));
    lock.unlock();
    has_outcome_.notify_one();
  }
}

}  // namespace marketprism::sink
