#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "marketprism/emulator/recording.hpp"
#include "marketprism/emulator/source.hpp"
#include "marketprism/emulator/stream_table.hpp"

namespace marketprism::emulator {

struct RecordedSourceOptions {
  double speed = 1;  ///< so many times as fast as it was received; 0: as fast as the clients take it
  /// Playing begins when all streams of the recording are subscribed, or when nobody has said anything for so long
  /// after the first subscription.
  Nanoseconds quiet_time = std::chrono::milliseconds(500);
};

/// A venue's market data out of a recording. Frames go out verbatim and in order to whoever is subscribed to their
/// stream; those nobody wants are skipped. REST requests get the recorded answers, whatever limit they ask for.
class RecordedSource final : public Source {
 public:
  RecordedSource(std::shared_ptr<const Recording> recording, const Dialect& dialect,
                 const RecordedSourceOptions& options, StreamTable& streams, Publisher& publisher);

  std::optional<StreamIndex> resolve(std::string_view name) override;
  void after_subscribe(Client& client, StreamIndex stream, Moment moment) override;
  void on_request(Moment moment) override { last_request_ = moment.now; }
  std::optional<RestAnswer> rest(const RestQuery& query, Moment moment) override;
  bool advance(Moment moment) override;
  [[nodiscard]] SourceProgress progress() const override { return progress_; }

 private:
  static constexpr std::size_t batch = 512;  // frames between two looks at the sockets

  bool begins(Moment moment);

  std::shared_ptr<const Recording> recording_;
  const Dialect& dialect_;
  RecordedSourceOptions options_;
  StreamTable& streams_;
  Publisher& publisher_;
  std::vector<StreamIndex> table_index_;  // by number in the recording
  std::unordered_map<std::string, StreamIndex> by_family_;
  std::size_t next_ = 0;
  Instant last_request_{};
  Instant started_at_{};
  UnixTime first_time_ = no_time;
  UnixTime position_ = UnixTime::min();
  SourceProgress progress_;
};

}  // namespace marketprism::emulator
