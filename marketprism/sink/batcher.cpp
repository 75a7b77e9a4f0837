#include "marketprism/sink/batcher.hpp"

#include <algorithm>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <utility>

namespace marketprism::sink {

namespace {

Instant clock_now() { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::steady_clock::now()); }
UnixTime wall_now() { return std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now()); }

std::size_t bytes_of(const market::Event& event) {
  const auto* const book = std::get_if<market::Book>(&event.payload);
  return sizeof event + (book == nullptr ? 0 : book->bids.size_bytes() + book->asks.size_bytes());
}

}  // namespace

Batcher::Batcher(Wake& wake, BatcherOptions options)
    : options_(options),
      batches_(wake, options.batches_max, options.when_full,
               {.ready = options.batches_ready,
                .make = [bytes = options.batch_bytes_max] { return std::make_unique<EventBatch>(bytes); }}) {}

bool Batcher::put(const market::Event& event) {
  return batches_.put([&](EventBatch& batch) {
    batch.append(event);
    return batch.bytes() >= options_.batch_bytes_max;
  });
}

void Batcher::on_event(const market::Event& event) {
  if ((holes_.empty() || put_gaps()) && put(event)) {
    if (!unknown_books_.empty()) restore_a_book(event.receive_time);
    return;
  }
  dropped_[static_cast<std::size_t>(event.type())].fetch_add(1, std::memory_order_relaxed);
  holes_.note(event);
}

/// false: still no room; what was not put stays noted.
bool Batcher::put_gaps() {
  return holes_.tell("sink_overflow", [this](const market::Event& gap) {
    if (!put(gap)) return false;
    const bool is_of_book = std::get<market::Gap>(gap.payload).channel == market::EventType::book;
    if (is_of_book && books_) unknown_books_.emplace(gap.exchange, gap.symbol);
    return true;
  });
}

/// Not all at once: whole books are large, and would fill the batches that have just become free.
void Batcher::restore_a_book(UnixTime now) {
  if (is_restoring_ || batches_.waiting() * 2 > options_.batches_max) return;
  is_restoring_ = true;
  const auto book = unknown_books_.extract(unknown_books_.begin());
  books_(book.value().first, book.value().second, now, *this);
  is_restoring_ = false;
}

CountByType Batcher::dropped() const {
  CountByType counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = dropped_[i].load(std::memory_order_relaxed);
  return counts;
}

struct SinkThread::State {
  State(std::vector<std::unique_ptr<Sink>> given, SinkThreadOptions with) : sinks(std::move(given)), options(with) {}

  void run();
  bool take_turns(const std::vector<Batcher*>& turns);
  void count(const EventBatch& batch);

  std::vector<std::unique_ptr<Sink>> sinks;
  SinkThreadOptions options;
  Wake wake;
  std::atomic<bool> is_closing = false;
  bool is_closed = false;

  mutable std::mutex mutex;  // guards what follows
  std::vector<std::unique_ptr<Batcher>> batchers;
  std::vector<std::unique_ptr<FlowStats>> flows;

  std::thread thread;
};

void SinkThread::State::count(const EventBatch& batch) {
  const UnixTime now = wall_now();
  const std::lock_guard lock(mutex);
  FlowStats* flow = nullptr;
  std::size_t place = 0;
  for (const market::Event& event : batch.events()) {
    if (flow == nullptr || flow->type != event.type() || flow->exchange != event.exchange) {
      const auto found = std::ranges::find_if(flows, [&](const std::unique_ptr<FlowStats>& known) {
        return known->type == event.type() && known->exchange == event.exchange;
      });
      if (found == flows.end()) {
        flows.push_back(std::make_unique<FlowStats>());
        flow = flows.back().get();
        flow->exchange = event.exchange;
        flow->type = event.type();
      } else {
        flow = found->get();
      }
    }
    ++flow->events;
    flow->bytes += bytes_of(event);
    if (place++ >= batch.used_places()) ++flow->new_places;
    if (event.receive_time != no_time) flow->delay_ns.add((now - event.receive_time).count());
  }
}

/// Gives one batch of each batcher to the sinks; false when there was none.
bool SinkThread::State::take_turns(const std::vector<Batcher*>& turns) {
  bool is_any = false;
  for (Batcher* batcher : turns) {
    std::unique_ptr<EventBatch> batch = batcher->batches_.take();
    if (!batch) continue;
    is_any = true;
    count(*batch);
    for (const std::unique_ptr<Sink>& sink : sinks) sink->write(*batch, clock_now());
    batch->clear();
    batcher->batches_.give_back(std::move(batch));
  }
  return is_any;
}

void SinkThread::State::run() {
  static_cast<void>(::pthread_setname_np(::pthread_self(), "sinks"));
  std::vector<Batcher*> turns;
  for (;;) {
    wake.wait(options.batch_age_max);
    const bool is_last = is_closing;
    turns.clear();
    {
      const std::lock_guard lock(mutex);
      for (const std::unique_ptr<Batcher>& batcher : batchers) turns.push_back(batcher.get());
    }
    while (take_turns(turns)) {
      for (const std::unique_ptr<Sink>& sink : sinks) sink->tick(clock_now());
    }
    for (const std::unique_ptr<Sink>& sink : sinks) sink->tick(clock_now());
    if (is_last) return;
  }
}

SinkThread::SinkThread(std::vector<std::unique_ptr<Sink>> sinks, SinkThreadOptions options)
    : state_(std::make_unique<State>(std::move(sinks), options)) {
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

SinkThread::~SinkThread() { (void)close(); }

Batcher& SinkThread::batcher() {
  const std::lock_guard lock(state_->mutex);
  state_->batchers.push_back(std::make_unique<Batcher>(state_->wake, state_->options.batches));
  return *state_->batchers.back();
}

Result<> SinkThread::close() {
  State& state = *state_;
  if (state.is_closed) return {};
  state.is_closed = true;
  for (const std::unique_ptr<Batcher>& batcher : state.batchers) batcher->batches_.close();
  state.is_closing = true;
  state.wake.notify();
  state.thread.join();
  Result<> first;
  for (const std::unique_ptr<Sink>& sink : state.sinks) {
    if (Result<> closed = sink->close(); !closed && first) first = std::move(closed);
  }
  return first;
}

std::vector<FlowStats> SinkThread::flows() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<FlowStats> copies;
  copies.reserve(state_->flows.size());
  for (const std::unique_ptr<FlowStats>& flow : state_->flows) copies.push_back(*flow);
  return copies;
}

std::vector<SinkStats> SinkThread::sink_stats() const {
  std::vector<SinkStats> all;
  all.reserve(state_->sinks.size());
  for (const std::unique_ptr<Sink>& sink : state_->sinks) all.push_back(sink->stats());
  return all;
}

CountByType SinkThread::dropped() const {
  const std::lock_guard lock(state_->mutex);
  CountByType sum{};
  for (const std::unique_ptr<Batcher>& batcher : state_->batchers) {
    const CountByType counts = batcher->dropped();
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += counts[i];
  }
  return sum;
}

std::size_t SinkThread::batches_waiting() const {
  const std::lock_guard lock(state_->mutex);
  std::size_t waiting = 0;
  for (const std::unique_ptr<Batcher>& batcher : state_->batchers) waiting += batcher->waiting();
  return waiting;
}

std::size_t SinkThread::batches_max() const {
  const std::lock_guard lock(state_->mutex);
  return state_->batchers.size() * state_->options.batches.batches_max;
}

}  // namespace marketprism::sink
