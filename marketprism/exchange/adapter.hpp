#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/exchange/facts.hpp"
#include "marketprism/market/event.hpp"
#include "marketprism/market/order_book.hpp"

namespace marketprism::exchange {

/// A book update as the venue sent it, before it is checked against the book. Numbers the venue does not give are
/// `no_sequence`.
struct BookMessage {
  std::string_view symbol;
  UnixTime exchange_time = no_time;
  bool is_snapshot = false;
  bool is_whole =
      false;  ///< a snapshot of a stream that brings nothing but snapshots (of few levels): no delta follows
  std::int64_t first_sequence = market::no_sequence;  ///< first update id contained (Binance `U`)
  std::int64_t last_sequence = market::no_sequence;   ///< last update id contained (`u`, `seqId`, `change_id`)
  std::int64_t previous_sequence =
      market::no_sequence;               ///< last update id of the message before (`pu`, `prevSeqId`, …)
  std::optional<std::int64_t> checksum;  ///< over the book after this update, if the venue gave one
  std::span<const market::Level> bids;   ///< amount zero removes
  std::span<const market::Level> asks;
};

/// What a frame says that is not market data.
struct ControlMessage {
  enum class Kind : std::uint8_t {
    subscribed,  ///< `stream` (or all of request `id`) is acknowledged
    unsubscribed,
    refused,     ///< the venue refuses `stream` or request `id`: `code`, `text`
    heartbeat,   ///< nothing to do
    must_reply,  ///< send `text` back on this connection at once
    closing,     ///< the venue will soon cut this connection (maintenance, 24 h): move its streams now
  };
  Kind kind{};
  std::int64_t id = -1;     ///< of the request this answers; −1 if it names none
  std::string_view stream;  ///< the stream it concerns, if it names one
  std::int64_t code = 0;
  std::string_view text;
  bool is_temporary = false;  ///< refused only for now (asked too fast): worth asking again
};

/// Takes what an adapter decodes, in the frame's order. Views are valid only during the call. Called only for frames
/// that were found whole.
class DecodeHandler {
 public:
  virtual ~DecodeHandler() = default;
  /// All payloads but trades and books. `exchange_time` may be `no_time`.
  virtual void on_payload(std::string_view symbol, UnixTime exchange_time, const market::Event::Payload& payload) = 0;
  /// `sequence`: a number that grows by one with each trade of this symbol and kind, or `no_sequence`.
  virtual void on_trade(std::string_view symbol, UnixTime exchange_time, const market::Trade& trade,
                        std::int64_t sequence) = 0;
  virtual void on_book(const BookMessage& message) = 0;
  virtual void on_instrument(market::Instrument&& instrument) = 0;
  virtual void on_control(const ControlMessage& message) = 0;
};

/// What became of one frame or REST answer. Everything that is not `data` or `control` has a reason, a literal for
/// counters.
struct Decoded {
  enum class Kind : std::uint8_t { data, control, ignored, unreadable };
  Kind kind = Kind::data;
  std::string_view reason;

  static Decoded data() { return {Kind::data, {}}; }
  static Decoded control() { return {Kind::control, {}}; }
  static Decoded ignored(std::string_view reason) { return {Kind::ignored, reason}; }
  static Decoded unreadable(std::string_view reason) { return {Kind::unreadable, reason}; }
};

/// One subscription as the venue names it.
struct Stream {
  Channel channel{};
  std::string symbol;  ///< native
  std::string
      name;  ///< the venue's name of the stream: "btcusdt@depth@100ms", "books:BTC-USDT", "book.BTC-PERPETUAL.100ms"
  std::size_t endpoint = 0;  ///< index into `Facts::websockets`
  friend bool operator==(const Stream&, const Stream&) = default;
};

/// A GET request to the venue's REST API.
struct RestRequest {
  std::string target;  ///< path and query: "/api/v3/depth?symbol=BTCUSDT&limit=1000"
  int weight = 1;      ///< what it costs of `Facts::rest_limit`
};

/// A choice of streams where a venue has several for one channel: {"book", "@depth@0ms"}, {"candle", "5m"}, {"bbo",
/// "tickers"}.
struct Variants {
  std::string trade;
  std::string book;
  std::string bbo;
  std::string candle;  ///< the interval; empty = "1m"
  std::string mark_price;
};

/// One venue: what it says and how to talk to it. Sans-I/O. An adapter belongs to one session and its thread; it keeps
/// scratch memory, so that decoding does not allocate once warm.
class Adapter {
 public:
  virtual ~Adapter() = default;

  virtual const Facts& facts() const = 0;

  /// Decodes one WebSocket frame (text or binary). A frame that is cut, garbage or of an unknown kind calls nothing.
  virtual Decoded decode(std::string_view frame, DecodeHandler& handler) = 0;

  /// Decodes the body of a REST answer with status 200; `target` is the request's path and query (or the whole URL);
  /// `symbol_hint` names the symbol if neither target nor body does (tapes).
  virtual Decoded decode_rest(std::string_view target, std::string_view body, std::string_view symbol_hint,
                              DecodeHandler& handler) = 0;

  /// Whether the venue's checksum fits the book. Only called for messages that carry one.
  virtual bool checksum_fits(const market::OrderBook&, std::int64_t /*checksum*/) const { return true; }

  /// All requests that together give the instruments list.
  virtual std::vector<RestRequest> instrument_requests() const = 0;

  /// The streams that bring `channel` of the instrument; empty if the venue has it only by REST (`poll_requests`); an
  /// error naming the channel if the venue does not offer it for this instrument at all.
  virtual Result<std::vector<Stream>> streams(Channel channel, const market::Instrument& instrument,
                                              const Variants& variants) const = 0;

  /// REST requests that bring `channel` where no stream does, to be repeated every `Facts::poll_interval`.
  virtual std::vector<RestRequest> poll_requests(Channel /*channel*/, const market::Instrument& /*instrument*/) const {
    return {};
  }

  /// The request for a book snapshot with at most `depth` levels a side. Only for venues whose snapshots come by REST.
  virtual RestRequest snapshot_request(std::string_view /*symbol*/, int /*depth*/) const { return {}; }

  /// Texts to send right after the connection is up, before any subscription (heartbeat settings).
  virtual std::vector<std::string> greeting() const { return {}; }

  /// One request text; `id` comes back in the answer. At most `Facts::streams_per_request` names.
  virtual std::string subscribe_text(std::span<const std::string> names, std::int64_t id) const = 0;
  virtual std::string unsubscribe_text(std::span<const std::string> names, std::int64_t id) const = 0;

  /// The error of a REST answer with another status than 200, made of the venue's code and text.
  virtual Error rest_error(int status, std::string_view body) const;
};

}  // namespace marketprism::exchange
