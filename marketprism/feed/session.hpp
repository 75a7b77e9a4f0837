#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "marketprism/exchange/adapter.hpp"
#include "marketprism/feed/book_sync.hpp"
#include "marketprism/market/event.hpp"

namespace marketprism::feed {

/// What a session asks of whoever feeds it. A replay has nothing to fetch and uses `NoActions`.
class SessionActions {
 public:
  virtual ~SessionActions() = default;
  /// The symbol's book needs a snapshot: fetch it by REST, or subscribe the book anew where snapshots come in band.
  /// Asked again whenever an answer did not help; the caller spaces requests as the venue's limits want.
  virtual void want_snapshot(std::string_view symbol) = 0;
  /// A frame that is about the connection, not the market.
  virtual void on_control(std::uint32_t connection, const exchange::ControlMessage& message) = 0;
};

class NoActions final : public SessionActions {
 public:
  void want_snapshot(std::string_view) override {}
  void on_control(std::uint32_t, const exchange::ControlMessage&) override {}
};

struct SessionStats {
  std::uint64_t frames = 0;  ///< WebSocket frames
  std::uint64_t bytes = 0;   ///< of them
  std::uint64_t rest_answers = 0;
  /// Frames and REST answers that brought data, and their bytes, by the type of the first thing in them.
  std::array<std::uint64_t, market::event_type_count> messages{};
  std::array<std::uint64_t, market::event_type_count> message_bytes{};
  std::uint64_t control = 0;
  std::array<std::uint64_t, market::event_type_count> events{};
  std::array<std::uint64_t, market::event_type_count> gaps{};  ///< by the channel that has the gap
  std::uint64_t duplicate_trades = 0;
  std::uint64_t empty_trades = 0;        ///< trades of amount zero: only their id counts
  std::uint64_t superseded = 0;          ///< payloads of a connection that a newer one has replaced
  std::uint64_t symbols_over_limit = 0;  ///< messages of symbols past `SessionOptions::symbols_max`
  BookSyncCounters books;                ///< summed over all symbols
  /// Frames and answers that gave nothing, by reason.
  std::vector<std::pair<std::string_view, std::uint64_t>> unreadable;
  std::vector<std::pair<std::string_view, std::uint64_t>> ignored;
};

/// What has come of one type of one symbol.
struct Activity {
  UnixTime last_receive = no_time;  ///< of the last event
  std::uint64_t events = 0;
};

struct SessionOptions {
  std::size_t symbols_max = 100'000;
  /// Is told of the books and of what is held for them, and must outlive the session. At its hard limit a book that
  /// would grow is given up with a gap ("memory_limit") and tried again. None: no limit but their depth.
  memory::MemoryAccount* books = nullptr;
};

/// Makes market events of one venue's frames: decodes, keeps the books, checks every sequence, names every loss. What
/// comes out depends only on the calls and their order, so that a tape replays to the same events. One thread.
class Session final : private exchange::DecodeHandler {
 public:
  /// `sink` and `actions` must outlive the session. Both are called from within the calls below.
  Session(std::unique_ptr<exchange::Adapter> adapter, market::EventSink& sink, SessionActions& actions,
          SessionOptions options = {});
  ~Session() override;

  /// One WebSocket frame. Connection numbers grow with time: of two connections that bring the same stream the newer
  /// counts.
  void on_frame(std::uint32_t connection, std::string_view payload, UnixTime receive_time);

  /// One REST answer; `target` is path and query or the whole URL. `symbol_hint`: see `Adapter::decode_rest`.
  void on_rest(std::string_view target, int status, std::string_view body, UnixTime receive_time,
               std::string_view symbol_hint = {});

  /// The connection was lost (not: closed by us after its streams had moved): what it brought has a gap.
  void on_lost(std::uint32_t connection, UnixTime receive_time);

  /// Frames of the recording are missing, of whatever connection: everything has a gap ("tape_overflow"), but for what
  /// is numbered and shows it itself.
  void on_hole(UnixTime receive_time);

  /// Forgets books, numbers, connections and instruments, as if new; the statistics go on. For recordings of several
  /// runs, each of which knew nothing of the one before. `adapter` is a new one of the same venue.
  void restart(std::unique_ptr<exchange::Adapter> adapter);

  /// Somebody recorded before, and stopped: each series begins with a gap ("restart"), because nobody knows what came
  /// meanwhile. Before the first frame.
  void resume() { is_resumed_ = true; }

  SessionStats stats() const;
  const exchange::Adapter& adapter() const { return *adapter_; }
  exchange::Adapter& adapter() { return *adapter_; }

  /// The symbol's book, or null if there is none or it is not valid now.
  const market::OrderBook* book(std::string_view symbol) const;
  std::size_t books_live() const;
  /// Of the blocks of levels that its books are made of.
  memory::ObjectPoolStatistics level_blocks() const { return blocks_->statistics(); }
  /// What is kept of symbols and instruments besides their books, about.
  std::size_t directory_bytes() const;

  /// Gives the symbol's book, if it is valid, to `sink` as a snapshot with this receive time: for one that lost track.
  void show_book(std::string_view symbol, UnixTime receive_time, market::EventSink& sink) const;
  /// Empty if nothing has come yet.
  Activity activity(std::string_view symbol, market::EventType type) const;
  const std::unordered_map<std::string, market::Instrument>& instruments() const { return instruments_; }

 private:
  struct SymbolState;
  class BookOutput;
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  void on_payload(std::string_view symbol, UnixTime exchange_time, const market::Event::Payload& payload) override;
  void on_trade(std::string_view symbol, UnixTime exchange_time, const market::Trade& trade,
                std::int64_t sequence) override;
  void on_book(const exchange::BookMessage& message) override;
  void on_instrument(market::Instrument&& instrument) override;
  void on_control(const exchange::ControlMessage& message) override;

  void note_type(market::EventType type) {
    if (frame_type_ == no_type) frame_type_ = static_cast<std::size_t>(type);
  }
  /// `connection` 0: of all.
  void lose(std::uint32_t connection, std::string_view reason, UnixTime receive_time);
  SymbolState* symbol_of(std::string_view name);
  /// Where in its stream a payload stands.
  struct Place {
    std::int64_t position = market::no_sequence;  // whatever grows with time
    UnixTime time = no_time;
    bool may_repeat = false;  // two payloads may have one position
    bool is_snapshot = false;
  };
  bool is_superseded(SymbolState& symbol, market::EventType type, const Place& place);
  void emit(SymbolState& symbol, UnixTime exchange_time, Arrival arrival, const market::Event::Payload& payload);
  void name_what_was_before(SymbolState& symbol, market::EventType type, Arrival arrival);
  void emit_gap(SymbolState& symbol, market::EventType channel, std::string_view reason, std::int64_t from,
                std::int64_t to, Arrival arrival);
  void count(const exchange::Decoded& decoded, std::size_t bytes);

  std::unique_ptr<exchange::Adapter> adapter_;
  market::EventSink& sink_;
  SessionActions& actions_;
  SessionOptions options_;
  std::string_view exchange_;
  std::shared_ptr<market::LevelBlockPool> blocks_;
  Arrival arrival_;  // of the frame being decoded
  static constexpr std::size_t no_type = market::event_type_count;
  std::size_t frame_type_ = no_type;  // of the first thing in it
  std::unordered_map<std::string, std::unique_ptr<SymbolState>, TextHash, std::equal_to<>> symbols_;
  SymbolState* last_symbol_ = nullptr;
  bool is_resumed_ = false;
  std::unordered_map<std::string, market::Instrument> instruments_;
  SessionStats stats_;
};

}  // namespace marketprism::feed
