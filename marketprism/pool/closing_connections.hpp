#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "marketprism/base/time.hpp"

namespace marketprism::pool {

/// Connections that have left a pool but whose sockets are still open: being closed, or the rest of a dial that was
/// given up. They keep their places in the pool, and their permits, until the driver says that they are closed. Few at
/// a time, so they are looked through.
template <class H>
class ClosingConnections {
 public:
  /// `cut_at`: when its close has taken too long; `Instant::max()`: never.
  void add(H connection, Instant cut_at) { all_.push_back({connection, cut_at}); }

  /// False if it is not one of them.
  bool remove(H connection) {
    const auto at = std::find_if(all_.begin(), all_.end(), [&](const Entry& e) { return e.connection == connection; });
    if (at == all_.end()) return false;
    *at = all_.back();
    all_.pop_back();
    return true;
  }

  /// Calls `cut` for each whose time is up, once.
  template <class Cut>
  void cut_overdue(Instant now, const Cut& cut) {
    for (Entry& entry : all_) {
      if (entry.cut_at > now) continue;
      entry.cut_at = Instant::max();
      cut(entry.connection);
    }
  }

  /// When the next one is overdue.
  [[nodiscard]] Instant cut_at() const {
    Instant first = Instant::max();
    for (const Entry& entry : all_) first = std::min(first, entry.cut_at);
    return first;
  }

  [[nodiscard]] std::size_t size() const { return all_.size(); }
  [[nodiscard]] bool empty() const { return all_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return all_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    H connection;
    Instant cut_at;
  };
  std::vector<Entry> all_;
};

}  // namespace marketprism::pool
