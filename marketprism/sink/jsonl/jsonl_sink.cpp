#include <cerrno>
#include <fcntl.h>
#include <mutex>
#include <optional>
#include <unistd.h>
#include <utility>

#include "marketprism/market/event_json.hpp"
#include "marketprism/sink/sink.hpp"

namespace marketprism::sink::jsonl {

Result<std::unique_ptr<Sink>> open(SinkOptions options);

namespace {

constexpr std::size_t write_bytes = 256UL << 10;

/// Writes JSON Lines to a file or to standard output, in the order of the events. A write that fails is tried again;
/// until it succeeds, further events are kept up to `buffered_bytes_max` and dropped, counted, beyond. A file is
/// appended to.
class JsonlSink final : public Sink {
 public:
  JsonlSink(SinkOptions options, int descriptor) : options_(std::move(options)), descriptor_(descriptor) {}
  ~JsonlSink() override {
    if (descriptor_ != STDOUT_FILENO) ::close(descriptor_);
  }

  [[nodiscard]] std::string_view name() const override { return "jsonl"; }

  void write(const EventBatch& batch, Instant now) override {
    for (const market::Event& event : batch.events()) {
      if (text_.size() >= options_.buffered_bytes_max) {
        count_dropped(event);
        continue;
      }
      market::append_json(event, text_);
      ++rows_waiting_;
      if (text_.size() >= write_bytes) (void)flush(now);
    }
    const std::lock_guard lock(mutex_);
    stats_.events += batch.events().size();
  }

  void tick(Instant now) override { (void)flush(now); }

  Result<> close() override {
    retry_at_.reset();
    return flush({});
  }

  [[nodiscard]] SinkStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  void count_dropped(const market::Event& event) {
    const std::lock_guard lock(mutex_);
    ++stats_.dropped[static_cast<std::size_t>(event.type())];
  }

  Result<> flush(Instant now) {
    if (text_.empty()) return {};
    if (retry_at_ && now < *retry_at_) return {};
    std::size_t written = 0;
    Result<> result;
    while (written < text_.size()) {
      const ssize_t count = ::write(descriptor_, text_.data() + written, text_.size() - written);
      if (count > 0) {
        written += static_cast<std::size_t>(count);
      } else if (count < 0 && errno != EINTR) {
        const std::string place = options_.file == "-" ? "standard output" : options_.file;
        result = std::unexpected(system_error(errno, place + ": cannot write"));
        break;
      }
    }
    text_.erase(0, written);
    note(result, written, now);
    return result;
  }

  void note(const Result<>& result, std::size_t written, Instant now) {
    bool is_change = false;
    {
      const std::lock_guard lock(mutex_);
      stats_.bytes += written;
      if (result) stats_.rows += std::exchange(rows_waiting_, 0);
      if (!result) ++stats_.write_failures;
      stats_.buffered_bytes = text_.size();
      stats_.buffered_rows = rows_waiting_;
      is_change = stats_.is_failing == result.has_value();
      stats_.is_failing = !result.has_value();
      stats_.last_error = result ? std::string() : result.error().message;
    }
    retry_at_ = result ? std::nullopt : std::optional(now + options_.retry_after);
    if (is_change && options_.on_state) options_.on_state(result);
  }

  SinkOptions options_;
  int descriptor_;
  std::string text_;
  std::uint64_t rows_waiting_ = 0;
  std::optional<Instant> retry_at_;
  mutable std::mutex mutex_;
  SinkStats stats_;
};

}  // namespace

Result<std::unique_ptr<Sink>> open(SinkOptions options) {
  int descriptor = STDOUT_FILENO;
  if (options.file != "-") {
    descriptor = ::open(options.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (descriptor < 0) return std::unexpected(system_error(errno, options.file + ": cannot open for writing"));
  }
  auto sink = std::make_unique<JsonlSink>(std::move(options), descriptor);
  return sink;
}

}  // namespace marketprism::sink::jsonl
