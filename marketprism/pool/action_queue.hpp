#pragma once
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace marketprism::pool {

/// First in, first out; keeps its memory, so that it allocates nothing once warm.
template <class Action>
class ActionQueue {
 public:
  void push(Action action) { actions_.push_back(std::move(action)); }

  std::optional<Action> pop() {
    if (next_ == actions_.size()) return std::nullopt;
    std::optional<Action> action(std::move(actions_[next_++]));
    if (next_ == actions_.size()) {
      actions_.clear();
      next_ = 0;
    }
    return action;
  }

  bool empty() const { return actions_.empty(); }
  std::size_t bytes() const { return actions_.capacity() * sizeof(Action); }

 private:
  std::vector<Action> actions_;
  std::size_t next_ = 0;
};

}  // namespace marketprism::pool
