#pragma once
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "marketprism/emulator/client.hpp"

namespace marketprism::emulator {

/// Numbers the streams of one venue by name and knows who is subscribed to which. Owned by the venue.
class StreamTable {
 public:
  /// The stream's number, a new one if it was not there. Numbers count from 0 and stay.
  StreamIndex intern(std::string_view name);
  [[nodiscard]] const StreamIndex* find(std::string_view name) const;
  [[nodiscard]] std::string_view name(StreamIndex stream) const { return streams_[stream].name; }
  [[nodiscard]] std::size_t size() const { return streams_.size(); }

  [[nodiscard]] std::span<Client* const> subscribers(StreamIndex stream) const { return streams_[stream].subscribers; }
  [[nodiscard]] bool has_subscribers(StreamIndex stream) const { return !streams_[stream].subscribers.empty(); }
  /// Streams with at least one subscriber.
  [[nodiscard]] std::size_t subscribed_count() const { return subscribed_count_; }

  /// False if the client was in already.
  bool add(StreamIndex stream, Client& client);
  /// False if the client was not in.
  bool remove(StreamIndex stream, Client& client);

 private:
  struct Stream {
    std::string name;
    std::vector<Client*> subscribers;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  std::vector<Stream> streams_;
  std::unordered_map<std::string, StreamIndex, Hash, std::equal_to<>> by_name_;
  std::size_t subscribed_count_ = 0;
};

}  // namespace marketprism::emulator
