#include "marketprism/emulator/stream_table.hpp"

#include <algorithm>

namespace marketprism::emulator {

StreamIndex StreamTable::intern(std::string_view name) {
  if (const StreamIndex* known = find(name)) return *known;
  const auto index = static_cast<StreamIndex>(streams_.size());
  streams_.push_back({std::string(name), {}});
  by_name_.emplace(name, index);
  return index;
}

const StreamIndex* StreamTable::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &found->second;
}

bool StreamTable::add(StreamIndex stream, Client& client) {
  std::vector<Client*>& subscribers = streams_[stream].subscribers;
  if (std::ranges::find(subscribers, &client) != subscribers.end()) return false;
  if (subscribers.empty()) ++subscribed_count_;
  subscribers.push_back(&client);
  return true;
}

bool StreamTable::remove(StreamIndex stream, Client& client) {
  std::vector<Client*>& subscribers = streams_[stream].subscribers;
  const auto found = std::ranges::find(subscribers, &client);
  if (found == subscribers.end()) return false;
  subscribers.erase(found);
  if (subscribers.empty()) --subscribed_count_;
  return true;
}

}  // namespace marketprism::emulator
