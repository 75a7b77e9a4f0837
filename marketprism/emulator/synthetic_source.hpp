#pragma once
#include <memory>
#include <string>
#include <vector>

#include "marketprism/emulator/frame_format.hpp"
#include "marketprism/emulator/source.hpp"
#include "marketprism/emulator/stream_table.hpp"
#include "marketprism/emulator/synthetic_market.hpp"

namespace marketprism::emulator {

struct SyntheticSourceOptions {
  std::uint64_t seed = 1;
  double messages_per_s = 1'000;  ///< frames, each counted once however many get it; as many orders come as that takes
  std::size_t extra_instruments = 0;  ///< besides the venue's usual ones
  std::vector<std::string> only;      ///< if not empty: symbols to have, all others are left out
};

/// A venue's market data out of a synthetic market. Orders arrive only while somebody listens. Frames are made only for
/// streams with subscribers and once for all of them.
class SyntheticSource final : public Source {
 public:
  SyntheticSource(std::string_view exchange, const SyntheticSourceOptions& options, StreamTable& streams,
                  Publisher& publisher, Moment moment);

  std::optional<StreamIndex> resolve(std::string_view name) override;
  void before_subscribe(StreamIndex stream, Moment moment) override;
  void after_subscribe(Client& client, StreamIndex stream, Moment moment) override;
  std::optional<RestAnswer> rest(const RestQuery& query, Moment moment) override;
  bool advance(Moment moment) override;

  /// From now on; 0: no more orders, what is pending still goes out.
  void set_rate(double messages_per_s) { messages_per_s_ = messages_per_s; }
  [[nodiscard]] const SyntheticMarket& market() const { return market_; }

 private:
  struct Change {
    market::Side side{};
    std::int64_t price = 0;
  };
  struct Active {  // a stream somebody subscribed to
    StreamIndex stream = 0;
    StreamSpec spec;
    UnixTime next_due = no_time;
    bool is_dirty = false;
    std::int64_t previous_id = 0;  // of books
    std::vector<Change> changes;
    UnixTime closed_candle = no_time;  // the last one told as closed
  };

  void on_step(const SyntheticMarket::Step& step, UnixTime time);
  void on_step(Active& active, const InstrumentState& state, const Happening& happening, UnixTime time);
  void publish_trades(Active& active, const InstrumentState& state, const Happening& happening, UnixTime time);
  void publish_book(Active& active, UnixTime time);
  void publish_state(Active& active, UnixTime time);
  void publish(const Active& active);
  void flush_due(UnixTime time);
  void schedule(Active& active, UnixTime time);
  void start_book(Active& active);
  bool candle_closes(Active& active, UnixTime time) const;

  std::unique_ptr<FrameFormat> format_;
  SyntheticMarket market_;
  StreamTable& streams_;
  Publisher& publisher_;
  double messages_per_s_;
  double budget_ = 0;
  std::uint64_t published_ = 0;
  Instant last_advance_;
  UnixTime time_;  // of the market; never goes back
  UnixTime earliest_due_ = UnixTime::max();
  std::vector<std::unique_ptr<Active>> actives_;
  std::vector<Active*> by_stream_;  // null: not active
  std::vector<std::vector<Active*>> by_instrument_;
  std::string frame_;
  std::vector<LevelAmount> bids_;
  std::vector<LevelAmount> asks_;
};

}  // namespace marketprism::emulator
