#pragma once
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "marketprism/net/http_body_source.hpp"
#include "marketprism/net/transport.hpp"

namespace marketprism::net {

/// Gives pieces one after the other, and what a source may do wrong.
class TestSource : public HttpBodySource {
 public:
  TestSource(EventLoop& loop, std::vector<std::string> pieces) : loop_(loop), pieces_(std::move(pieces)) {}

  [[nodiscard]] std::optional<std::uint64_t> size() const override { return announced; }
  Task<Result<std::string_view>> read() override {
    ++reads;
    const InRead in_read(*this);
    if (pause.count() > 0) co_await loop_.sleep_for(pause);
    if (hangs_at == next_) co_await loop_.sleep_for(std::chrono::hours(1));
    if (fails_at == next_) co_return fail(ErrorCode::io_failed, "the disk is gone");
    if (throws_at == next_) throw std::runtime_error("no disk");
    if (next_ >= pieces_.size()) co_return std::string_view();
    bytes += pieces_[next_].size();
    co_return pieces_[next_++];
  }
  Result<> rewind() override {
    if (!can_rewind) return HttpBodySource::rewind();
    ++rewinds;
    next_ = 0;
    return {};
  }
  void announce() {
    announced = 0;
    for (const std::string& piece : pieces_) *announced += piece.size();
  }

  std::optional<std::uint64_t> announced;
  Nanoseconds pause{0};
  std::optional<std::size_t> hangs_at;
  std::optional<std::size_t> fails_at;
  std::optional<std::size_t> throws_at;
  bool can_rewind = false;
  int reads = 0;
  int rewinds = 0;
  int waiting = 0;  // reads that have not ended
  std::uint64_t bytes = 0;

 private:
  struct InRead {
    explicit InRead(TestSource& its_source) : source(its_source) { ++source.waiting; }
    ~InRead() { --source.waiting; }
    InRead(const InRead&) = delete;
    InRead& operator=(const InRead&) = delete;
    TestSource& source;
  };

  EventLoop& loop_;
  std::vector<std::string> pieces_;
  std::size_t next_ = 0;
};

/// Of all sizes, some larger than what is written at once.
inline std::vector<std::string> many_pieces() {
  std::vector<std::string> pieces;
  for (std::size_t i = 0; i < 40; ++i) {
    const std::size_t size = i % 10 == 9 ? 150'000 + i : 1 + i * i;
    pieces.emplace_back(size, static_cast<char>('a' + i % 26));
  }
  return pieces;
}

inline std::string joined(const std::vector<std::string>& pieces) {
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  return all;
}

}  // namespace marketprism::net
