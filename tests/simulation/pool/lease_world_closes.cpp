// What becomes of connections that have left the pool: their sockets stay open for a while.
#include <algorithm>

#include "tests/simulation/pool/lease_world.hpp"

namespace marketprism::simulation {

// Its socket lives on.
void LeaseWorld::begin_close(pool::ConnectionHandle handle) {
  closing_.push_back({handle, now_ + config_.close_timeout});
  if (closes_at_once_) close_socket(handle);
}

void LeaseWorld::close_socket(pool::ConnectionHandle handle) {
  std::erase_if(closing_, [&](const Closing& c) { return c.handle == handle; });
  closed_now_.push_back(handle);
}

void LeaseWorld::on(const pool::Cut& action) {
  const auto cut =
      std::find_if(closing_.begin(), closing_.end(), [&](const Closing& c) { return c.handle == action.connection; });
  require(cut != closing_.end() && cut->cut_at <= now_, "a close was cut before its time, or twice");
  close_socket(action.connection);
}

void LeaseWorld::tell_closed(pool::ConnectionHandle handle) {
  require(pool_->closed(handle, now_), "the end of a close was not taken");
}

void LeaseWorld::end_close(std::uint32_t which) {
  std::vector<Closing*> able;
  for (Closing& goodbye : closing_) {
    if (!goodbye.is_stuck) able.push_back(&goodbye);
  }
  if (able.empty()) return;
  const Closing* ended = able[which % able.size()];
  const pool::ConnectionHandle handle = ended->handle;
  closing_.erase(closing_.begin() + (ended - closing_.data()));
  tell_closed(handle);
}

void LeaseWorld::hang_close(std::uint32_t which) {
  if (!closing_.empty()) closing_[which % closing_.size()].is_stuck = true;
}

void LeaseWorld::end_all_closes() {
  for (Closing& goodbye : closing_) goodbye.is_stuck = false;
  while (!closing_.empty() && !violation_) {
    end_close(0);
    take_actions();
  }
}

std::size_t LeaseWorld::sockets_open() const {
  const auto has_socket = [](const Wire& any) { return !any.is_socket_closed; };
  return static_cast<std::size_t>(std::count_if(wires_.begin(), wires_.end(), has_socket)) + closing_.size();
}

void LeaseWorld::check_sockets() {
  const std::size_t open = sockets_open();
  sockets_allowed_ = open <= config_.max_size ? 0 : std::min(sockets_allowed_, open);
  require(open <= std::max(config_.max_size, sockets_allowed_), "more sockets open than max_size");
}

}  // namespace marketprism::simulation
