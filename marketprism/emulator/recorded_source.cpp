#include "marketprism/emulator/recorded_source.hpp"

#include "marketprism/emulator/guessed_instruments.hpp"

namespace marketprism::emulator {

RecordedSource::RecordedSource(std::shared_ptr<const Recording> recording, const Dialect& dialect,
                               const RecordedSourceOptions& options, StreamTable& streams, Publisher& publisher)
    : recording_(std::move(recording)), dialect_(dialect), options_(options), streams_(streams), publisher_(publisher) {
  for (const std::string& name : recording_->streams()) {
    table_index_.push_back(streams_.intern(name));
    by_family_.try_emplace(dialect_.family_of(name), table_index_.back());
  }
  progress_.frames = recording_->frames().size();
  if (!recording_->frames().empty()) first_time_ = recording_->frames().front().time;
}

// What the recording does not hold is accepted and stays silent: a venue does not refuse a stream because nothing
// happened on it.
std::optional<StreamIndex> RecordedSource::resolve(std::string_view name) {
  if (const StreamIndex* known = streams_.find(name)) return *known;
  const auto found = by_family_.find(dialect_.family_of(name));
  return found != by_family_.end() ? found->second : streams_.intern(name);
}

void RecordedSource::after_subscribe(Client& /*client*/, StreamIndex /*stream*/, Moment moment) {
  last_request_ = moment.now;
}

std::optional<RestAnswer> RecordedSource::rest(const RestQuery& query, Moment moment) {
  std::optional<std::string> body = find_answer(*recording_, dialect_, query, position_);
  if (!body) return guessed_instruments(dialect_.exchange(), recording_->streams(), query, moment);
  return RestAnswer{.body = std::move(*body)};
}

bool RecordedSource::begins(Moment moment) {
  if (progress_.has_started) return true;
  if (streams_.subscribed_count() == 0) return false;
  std::size_t subscribed = 0;
  for (const StreamIndex stream : table_index_) subscribed += streams_.has_subscribers(stream) ? 1 : 0;
  if (subscribed != table_index_.size() && moment.now - last_request_ < options_.quiet_time) return false;
  started_at_ = moment.now;
  return progress_.has_started = true;
}

bool RecordedSource::advance(Moment moment) {
  if (progress_.is_finished || !begins(moment)) return false;
  const auto elapsed = std::chrono::duration<double, std::nano>(moment.now - started_at_).count() * options_.speed;
  const std::vector<Recording::Frame>& frames = recording_->frames();
  for (std::size_t count = 0; next_ < frames.size(); ++count, ++next_) {
    const Recording::Frame& frame = frames[next_];
    if (options_.speed > 0 && static_cast<double>((frame.time - first_time_).count()) > elapsed) return false;
    if (count == batch) return true;
    position_ = std::max(position_, frame.time);
    const std::size_t receivers = publisher_.publish(table_index_[frame.stream], recording_->text(frame));
    ++(receivers != 0 ? progress_.played : progress_.skipped);
  }
  progress_.is_finished = true;
  return false;
}

}  // namespace marketprism::emulator
