#include "marketprism/feed/session.hpp"

#include <algorithm>
#include <utility>

#include "marketprism/exchange/held_events.hpp"

namespace marketprism::feed {

using exchange::BookMessage;
using exchange::Decoded;
using market::EventType;
using market::no_sequence;

namespace {

/// Who has not brought a type for so long has lost it to whoever does.
constexpr auto owner_silence_max = std::chrono::seconds(10);
constexpr std::size_t slab_blocks = 1024;  // of levels, that books share

void add_reason(std::vector<std::pair<std::string_view, std::uint64_t>>& counts, std::string_view reason) {
  for (auto& [name, count] : counts) {
    if (name == reason) {
      ++count;
      return;
    }
  }
  counts.emplace_back(reason, 1);
}

}  // namespace

struct Session::SymbolState {
  /// A series of trade ids without holes.
  struct Series {
    std::int64_t last = no_sequence;
    UnixTime last_time = no_time;
  };

  SymbolState(std::string_view symbol_name, const exchange::Adapter& adapter,
              const std::shared_ptr<market::LevelBlockPool>& blocks, memory::MemoryAccount* account)
      : name(symbol_name), book(adapter, blocks, account) {}

  /// Who brings a type, and how far it has come. `position` is whatever grows with time: a sequence number, a trade's
  /// id, or else the exchange's time.
  struct Owner {
    std::uint32_t connection = 0;  // 0 before the first
    std::int64_t position = no_sequence;
    UnixTime exchange_time = no_time;
    UnixTime heard = no_time;
  };

  std::string name;
  BookSync book;
  std::array<Series, 2> trades;  // single ones, aggregates
  std::array<Owner, market::event_type_count> owners{};
  std::array<Activity, market::event_type_count> activity{};
  /// Whether a loss in this type shows in its own numbers.
  bool trades_are_numbered = false;
  std::array<bool, market::event_type_count> has_begun{};  // of a resumed session
};

/// Turns what a symbol's BookSync finds into events of the session.
class Session::BookOutput final : public BookSyncOutput {
 public:
  BookOutput(Session& session, SymbolState& symbol) : session_(session), symbol_(symbol) {}
  void on_book(const market::Book& book, UnixTime exchange_time, Arrival arrival) override {
    session_.emit(symbol_, exchange_time, arrival, book);
  }
  void on_gap(std::string_view reason, std::int64_t from, std::int64_t to, Arrival arrival) override {
    session_.emit_gap(symbol_, EventType::book, reason, from, to, arrival);
  }
  void on_snapshot_wanted() override { session_.actions_.want_snapshot(symbol_.name); }

 private:
  Session& session_;
  SymbolState& symbol_;
};

Session::Session(std::unique_ptr<exchange::Adapter> adapter, market::EventSink& sink, SessionActions& actions,
                 SessionOptions options)
    : adapter_(std::move(adapter)),
      sink_(sink),
      actions_(actions),
      options_(options),
      exchange_(adapter_->facts().name),
      blocks_(std::make_shared<market::LevelBlockPool>(slab_blocks, options.books)) {}

Session::~Session() = default;

void Session::on_frame(std::uint32_t connection, std::string_view payload, UnixTime receive_time) {
  ++stats_.frames;
  stats_.bytes += payload.size();
  arrival_ = {receive_time, connection};
  frame_type_ = no_type;
  count(adapter_->decode(payload, *this), payload.size());
}

void Session::on_rest(std::string_view target, int status, std::string_view body, UnixTime receive_time,
                      std::string_view symbol_hint) {
  ++stats_.rest_answers;
  if (status != 200) return add_reason(stats_.ignored, "rest_status_not_200");
  arrival_ = {receive_time, 0};
  frame_type_ = no_type;
  count(adapter_->decode_rest(target, body, symbol_hint, *this), body.size());
}

void Session::count(const Decoded& decoded, std::size_t bytes) {
  if (frame_type_ != no_type) {
    ++stats_.messages[frame_type_];
    stats_.message_bytes[frame_type_] += bytes;
  }
  if (decoded.kind == Decoded::Kind::unreadable) add_reason(stats_.unreadable, decoded.reason);
  if (decoded.kind == Decoded::Kind::ignored) add_reason(stats_.ignored, decoded.reason);
  if (decoded.kind == Decoded::Kind::control) ++stats_.control;
}

void Session::on_lost(std::uint32_t connection, UnixTime receive_time) {
  if (connection != 0) lose(connection, "disconnected", receive_time);
}

void Session::on_hole(UnixTime receive_time) { lose(0, "tape_overflow", receive_time); }

void Session::lose(std::uint32_t connection, std::string_view reason, UnixTime receive_time) {
  const Arrival arrival{receive_time, connection};
  const auto is_its_own = [connection](const SymbolState::Owner& owner) {
    return connection == 0 ? owner.connection != 0 : owner.connection == connection;
  };
  std::vector<SymbolState*> hit;  // by name, so that the order of the gaps does not depend on the hash table
  for (const auto& [name, symbol] : symbols_) {
    if (std::ranges::any_of(symbol->owners, is_its_own)) hit.push_back(symbol.get());
  }
  std::ranges::sort(hit, {}, [](const SymbolState* symbol) -> const std::string& { return symbol->name; });
  for (SymbolState* symbol : hit) {
    for (std::size_t i = 0; i < market::event_type_count; ++i) {
      if (!is_its_own(symbol->owners[i])) continue;
      symbol->owners[i] = {};
      const auto type = static_cast<EventType>(i);
      if (type == EventType::book) {
        BookOutput output(*this, *symbol);
        symbol->book.on_lost(reason, arrival, output);
      } else if (type != EventType::trade || !symbol->trades_are_numbered) {
        emit_gap(*symbol, type, reason, no_sequence, no_sequence, arrival);
      }
    }
  }
}

std::size_t Session::directory_bytes() const {
  constexpr std::size_t node = 64;  // of a hash table: key, links, allocation
  return symbols_.size() * (sizeof(SymbolState) + node) + instruments_.size() * (sizeof(market::Instrument) + node);
}

void Session::restart(std::unique_ptr<exchange::Adapter> adapter) {
  stats_ = stats();
  std::swap(adapter_, adapter);  // the old one lives until its books are gone
  for (const auto& [name, symbol] : symbols_) {
    // In its place: sinks may still point to the name.
    std::destroy_at(&symbol->book);
    std::construct_at(&symbol->book, *adapter_, blocks_, options_.books);
    symbol->trades = {};
    symbol->owners = {};
    symbol->trades_are_numbered = false;
    symbol->has_begun = {};
  }
  is_resumed_ = false;
  instruments_.clear();
}

Session::SymbolState* Session::symbol_of(std::string_view name) {
  if (last_symbol_ != nullptr && last_symbol_->name == name) return last_symbol_;
  auto found = symbols_.find(name);
  if (found == symbols_.end()) {
    if (symbols_.size() >= options_.symbols_max) {
      ++stats_.symbols_over_limit;
      return nullptr;
    }
    found = symbols_.emplace(std::string(name), std::make_unique<SymbolState>(name, *adapter_, blocks_, options_.books))
                .first;
  }
  return last_symbol_ = found->second.get();
}

// Two connections bring the same stream while one takes over from the other. The newer one counts from where it brings
// something new: what both bring is given once, whichever of them is behind. An owner that has fallen silent counts no
// more, so that nothing is lost where numbers began anew, or an older connection is all that is left.
bool Session::is_superseded(SymbolState& symbol, EventType type, const Place& place) {
  const std::uint32_t connection = arrival_.connection;
  if (connection == 0) return false;
  SymbolState::Owner& owner = symbol.owners[static_cast<std::size_t>(type)];
  if (owner.connection != 0 && connection != owner.connection) {
    const bool is_known = place.position != no_sequence && owner.position != no_sequence;
    const bool is_silent = arrival_.receive_time - owner.heard >= owner_silence_max;
    const bool begins_anew = place.is_snapshot && place.time != no_time && place.time > owner.exchange_time;
    const bool is_older = connection < owner.connection;
    const bool is_same = is_known && place.position == owner.position && !place.may_repeat;
    const bool is_behind = is_known && place.position < owner.position && !begins_anew;
    if (is_same || ((is_older || is_behind) && !is_silent)) {
      ++stats_.superseded;
      return true;
    }
  }
  owner = {connection, place.position, place.time, arrival_.receive_time};
  return false;
}

namespace {

std::int64_t position_of(UnixTime time) {
  return time == no_time ? no_sequence : static_cast<std::int64_t>(time.time_since_epoch().count());
}

}  // namespace

void Session::on_payload(std::string_view name, UnixTime exchange_time, const market::Event::Payload& payload) {
  const auto type = static_cast<EventType>(payload.index());
  note_type(type);
  SymbolState* symbol = symbol_of(name);
  if (symbol == nullptr) return;
  const auto* const bbo = std::get_if<market::Bbo>(&payload);
  const bool is_numbered = bbo != nullptr && bbo->sequence != no_sequence;
  // Two messages may have one time, but not one number.
  const Place place{.position = is_numbered ? bbo->sequence : position_of(exchange_time),
                    .time = exchange_time,
                    .may_repeat = !is_numbered};
  if (is_superseded(*symbol, type, place)) return;
  emit(*symbol, exchange_time, arrival_, payload);
}

void Session::on_trade(std::string_view name, UnixTime exchange_time, const market::Trade& trade,
                       std::int64_t sequence) {
  note_type(EventType::trade);
  SymbolState* symbol = symbol_of(name);
  if (symbol == nullptr) return;
  if (sequence == no_sequence) {
    const std::int64_t id = exchange::whole_number(trade.id).value_or(no_sequence);
    const bool has_number = id != no_sequence;
    const Place place{
        .position = has_number ? id : position_of(exchange_time), .time = exchange_time, .may_repeat = !has_number};
    if (!is_superseded(*symbol, EventType::trade, place)) emit(*symbol, exchange_time, arrival_, trade);
    return;
  }
  // Numbered trades need no owner: the number tells what is new, whichever connection brings it first.
  symbol->owners[static_cast<std::size_t>(EventType::trade)].connection = arrival_.connection;
  symbol->trades_are_numbered = true;
  SymbolState::Series& series = symbol->trades[trade.is_aggregate ? 1 : 0];
  if (series.last != no_sequence && sequence - 1 != series.last) {
    const bool is_repeated = sequence <= series.last && (exchange_time == no_time || exchange_time <= series.last_time);
    if (is_repeated) {
      ++stats_.duplicate_trades;
      return;
    }
    emit_gap(*symbol, EventType::trade, sequence > series.last ? "sequence" : "sequence_restarted", series.last,
             sequence, arrival_);
  }
  series.last = sequence;
  if (exchange_time != no_time) series.last_time = exchange_time;
  if (trade.amount.is_zero()) {
    ++stats_.empty_trades;
    return;
  }
  emit(*symbol, exchange_time, arrival_, trade);
}

void Session::on_book(const BookMessage& message) {
  note_type(EventType::book);
  SymbolState* symbol = symbol_of(message.symbol);
  if (symbol == nullptr) return;
  const bool is_in_band = adapter_->facts().book.snapshot == exchange::BookRule::Snapshot::in_band;
  if (is_in_band) {
    const bool is_live = symbol->book.state() == BookSync::State::live;
    const Place place{.position = is_live ? message.last_sequence : no_sequence,
                      .time = message.exchange_time,
                      .is_snapshot = message.is_snapshot};
    if (is_superseded(*symbol, EventType::book, place)) return;
  } else {
    std::uint32_t& owner = symbol->owners[static_cast<std::size_t>(EventType::book)].connection;
    owner = std::max(owner, arrival_.connection);
  }
  BookOutput output(*this, *symbol);
  symbol->book.on_message(message, arrival_, output);
}

void Session::on_instrument(market::Instrument&& instrument) {
  note_type(EventType::instrument);
  SymbolState* symbol = symbol_of(instrument.symbol);
  if (symbol == nullptr) return;
  auto [place, is_new] = instruments_.try_emplace(instrument.symbol);
  if (!is_new && place->second == instrument) return;
  place->second = std::move(instrument);
  emit(*symbol, no_time, arrival_, &place->second);
}

void Session::on_control(const exchange::ControlMessage& message) { actions_.on_control(arrival_.connection, message); }

void Session::emit(SymbolState& symbol, UnixTime exchange_time, Arrival arrival,
                   const market::Event::Payload& payload) {
  if (is_resumed_) name_what_was_before(symbol, static_cast<EventType>(payload.index()), arrival);
  ++stats_.events[payload.index()];
  Activity& activity = symbol.activity[payload.index()];
  activity.last_receive = arrival.receive_time;
  ++activity.events;
  sink_.on_event({exchange_, symbol.name, exchange_time, arrival.receive_time, arrival.connection, payload});
}

void Session::name_what_was_before(SymbolState& symbol, EventType type, Arrival arrival) {
  if (type == EventType::gap || type == EventType::instrument) return;
  if (std::exchange(symbol.has_begun[static_cast<std::size_t>(type)], true)) return;
  emit_gap(symbol, type, "restart", no_sequence, no_sequence, arrival);
}

void Session::emit_gap(SymbolState& symbol, EventType channel, std::string_view reason, std::int64_t from,
                       std::int64_t to, Arrival arrival) {
  ++stats_.gaps[static_cast<std::size_t>(channel)];
  emit(symbol, no_time, arrival, market::Gap{channel, reason, from, to});
}

SessionStats Session::stats() const {
  SessionStats stats = stats_;
  for (const auto& [name, symbol] : symbols_) {
    const BookSyncCounters& counters = symbol->book.counters();
    stats.books.stale += counters.stale;
    stats.books.before_snapshot += counters.before_snapshot;
    stats.books.snapshots_unneeded += counters.snapshots_unneeded;
    stats.books.snapshots_too_old += counters.snapshots_too_old;
    stats.books.held_dropped += counters.held_dropped;
    stats.books.of_another_depth += counters.of_another_depth;
  }
  return stats;
}

const market::OrderBook* Session::book(std::string_view name) const {
  const auto found = symbols_.find(name);
  if (found == symbols_.end() || found->second->book.state() != BookSync::State::live) return nullptr;
  return &found->second->book.book();
}

void Session::show_book(std::string_view name, UnixTime receive_time, market::EventSink& sink) const {
  const auto found = symbols_.find(name);
  if (found == symbols_.end() || found->second->book.state() != BookSync::State::live) return;
  const BookSync& sync = found->second->book;
  const auto levels_of = [](const market::BookSide& side) {
    std::vector<market::Level> levels;
    levels.reserve(side.size());
    for (std::size_t i = 0; i < side.size(); ++i) levels.push_back(side.at(i));
    return levels;
  };
  const std::vector<market::Level> bids = levels_of(sync.book().bids());
  const std::vector<market::Level> asks = levels_of(sync.book().asks());
  const market::Book book{.is_snapshot = true, .sequence = sync.sequence(), .bids = bids, .asks = asks};
  sink.on_event({exchange_, found->second->name, no_time, receive_time, 0, book});
}

Activity Session::activity(std::string_view name, EventType type) const {
  const auto found = symbols_.find(name);
  return found == symbols_.end() ? Activity{} : found->second->activity[static_cast<std::size_t>(type)];
}

std::size_t Session::books_live() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      symbols_, [](const auto& entry) { return entry.second->book.state() == BookSync::State::live; }));
}

}  // namespace marketprism::feed
