#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <thread>

#include <fmt/format.h>

#include "apps/marketprism/bench_tools.hpp"
#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/event_loop.hpp"
#include "marketprism/async/queue.hpp"
#include "marketprism/exchange/registry.hpp"
#include "marketprism/memory/object_pool.hpp"
#include "marketprism/net/http_connection_pool.hpp"

// One load through all layers: pages of trades are fetched over TLS, decoded, and their events handed to another
// thread.

namespace marketprism::app {
namespace {

struct Arguments {
  std::size_t pages = 3000;
  int passes = 5;
  bool json = false;
};

/// What is switched on.
struct Layers {
  std::string_view name;
  bool pools_connections;  // else each page has a connection of its own
  bool pools_objects;      // else each trade is from the heap
  bool batches;            // else each trade crosses alone
};
constexpr std::array<Layers, 5> all_layers{{{"off", false, false, false},
                                            {"pools", true, false, false},
                                            {"objects", false, true, false},
                                            {"batching", false, false, true},
                                            {"on", true, true, true}}};

/// A trade that owns what it says, for another thread.
struct TradeRecord {
  std::string symbol;
  std::string id;
  Decimal price;
  Decimal amount;
  UnixTime time{};
};
using RecordPool = memory::ObjectPool<TradeRecord>;  // records keep their strings' memory

struct EndRecord {
  bool is_pooled = false;
  void operator()(TradeRecord* record) const {
    if (is_pooled) {
      RecordPool::home_of(*record).give_back(record);
    } else {
      delete record;
    }
  }
};
using Record = std::unique_ptr<TradeRecord, EndRecord>;

/// The thread that gets the trades: reads each.
class Reader {
 public:
  void push(std::span<Record> records) { queue_.push_batch(records); }
  void push(Record record) { queue_.push(std::move(record)); }
  /// After what was pushed; the number of trades seen.
  std::size_t finish() {
    queue_.close();
    thread_.join();
    return trades_;
  }

 private:
  void run() {
    std::vector<Record> taken;
    while (queue_.wait_pop(taken, SIZE_MAX, std::chrono::seconds(1)) != 0 || !queue_.is_closed()) {
      for (const Record& record : taken) trades_ += record->price > Decimal() && !record->id.empty() ? 1 : 0;
      taken.clear();
    }
  }

  // This loop may stand still while the reader has no core: no trade is left out of the measure.
  async::Queue<Record> queue_{{1 << 16, async::Overflow::block}};
  std::size_t trades_ = 0;
  std::jthread thread_{[this] { run(); }};
};

/// One pass; takes what the adapter decodes.
class Run final : public exchange::DecodeHandler {
 public:
  Run(async::EventLoop& loop, const wire::Url& url, net::TlsContextPtr tls, const Layers& layers, std::size_t pages)
      : loop_(loop), url_(url), tls_(std::move(tls)), layers_(layers), left_(pages) {
    net::HttpPoolOptions options;
    options.config.connections.max_size = options.config.max_per_host = workers;
    options.config.connections.min_size = 0;
    options.tls = tls_;
    connections_.emplace(net::HttpConnectionPool::create(loop, std::move(options)).value());
    text_ = net::make_http_request(url.host_header(), {.target = url.target()}).value();
    prepared_.text = text_;
  }

  /// Pages a second; an error if anything was lost.
  Result<double> measure() {
    const double pages = static_cast<double>(left_), start = wall_seconds();
    running_ = workers;
    for (std::size_t i = 0; i < workers; ++i) loop_.spawn(work());
    loop_.run();
    const std::size_t seen = reader_.finish();
    const double rate = pages / (wall_seconds() - start);
    if (error_) return std::unexpected(*error_);
    if (seen != made_) return fail(ErrorCode::exhausted, fmt::format("{} of {} trades came through", seen, made_));
    return rate;
  }

 private:
  static constexpr std::size_t workers = 8;

  async::Task<> work() {
    while (left_ > 0 && !error_) {
      --left_;
      auto fetching = layers_.pools_connections ? fetch_pooled() : fetch_directly();
      const Result<> got = co_await std::move(fetching);
      if (!got) error_ = got.error();
    }
    if (--running_ == 0) loop_.stop();
  }

  async::Task<Result<>> fetch_pooled() {
    const auto response = co_await connections_->request(url_, prepared_);
    if (!response) co_return std::unexpected(response.error());
    co_return take_page((*response)->body);
  }

  async::Task<Result<>> fetch_directly() {
    net::ConnectTarget target;
    target.host = url_.host;
    target.port = url_.port;
    target.tls = tls_;
    const Instant deadline = loop_.refresh_now() + std::chrono::seconds(10);
    const auto connection = co_await net::HttpConnection::connect(loop_, std::move(target), deadline);
    if (!connection) co_return std::unexpected(connection.error());
    const auto response = co_await (*connection)->send(text_);
    if (!response) co_return std::unexpected(response.error());
    co_return take_page((*response)->body);
  }

  Result<> take_page(std::string_view page) {
    while (!page.empty()) {
      const std::size_t end = page.find('\n');
      if (adapter_->decode(page.substr(0, end), *this).kind != exchange::Decoded::Kind::data) {
        return fail(ErrorCode::malformed, "the server's page is not made of trades");
      }
      page.remove_prefix(end == page.npos ? page.size() : end + 1);
    }
    reader_.push(batch_);
    batch_.clear();
    return {};
  }

  void on_trade(std::string_view symbol, UnixTime exchange_time, const market::Trade& trade, std::int64_t) override {
    ++made_;
    Record record(layers_.pools_objects ? records_.take() : new TradeRecord, EndRecord{layers_.pools_objects});
    if (!record) return;  // shows as a trade that did not come through
    record->symbol = symbol;
    record->id = trade.id;
    record->price = trade.price;
    record->amount = trade.amount;
    record->time = exchange_time;
    if (layers_.batches) {
      batch_.push_back(std::move(record));
    } else {
      reader_.push(std::move(record));
    }
  }
  void on_payload(std::string_view, UnixTime, const market::Event::Payload&) override {}
  void on_book(const exchange::BookMessage&) override {}
  void on_instrument(market::Instrument&&) override {}
  void on_control(const exchange::ControlMessage&) override {}

  async::EventLoop& loop_;
  const wire::Url& url_;
  net::TlsContextPtr tls_;
  Layers layers_;
  std::size_t left_;
  std::size_t running_ = 0;
  std::size_t made_ = 0;  // trades decoded
  std::optional<Error> error_;
  std::optional<net::HttpConnectionPool> connections_;
  std::string text_;
  net::HttpConnectionPool::Prepared prepared_;
  std::unique_ptr<exchange::Adapter> adapter_ = exchange::make_adapter("binance").value();
  RecordPool records_;
  std::vector<Record> batch_;
  Reader reader_;
};

Result<> measure(const Arguments& arguments, Figures& figures) {
  const auto server = BenchServer::start();
  if (!server) return std::unexpected(server.error());
  const wire::Url url = wire::parse_url(server->url("https", bench_trades_path)).value();
  async::EventLoop loop;
  std::array<std::vector<double>, all_layers.size()> rates;
  for (int pass = -1; pass < arguments.passes; ++pass) {  // the first warms up
    for (std::size_t i = 0; i < all_layers.size(); ++i) {
      const std::size_t share = all_layers[i].pools_connections ? 1 : 10;  // the slow ones get fewer pages
      const std::size_t pages = std::max<std::size_t>(arguments.pages / share, 10);
      const auto rate = Run(loop, url, server->tls(), all_layers[i], pages).measure();
      if (!rate) return std::unexpected(rate.error());
      if (pass >= 0) rates[i].push_back(*rate);
    }
  }
  for (std::size_t i = 0; i < all_layers.size(); ++i) {
    figures.add(fmt::format("combined_{}_pages_per_s", all_layers[i].name), median(rates[i]), "1/s");
  }
  figures.add("combined_on_over_off", median(rates.back()) / median(rates.front()), "1", "bar: 3");
  return {};
}

int run(const Arguments& arguments) {
  Figures figures;
  if (const auto measured = measure(arguments, figures); !measured) {
    complain(measured.error().to_string());
    return exit_failure;
  }
  if (!arguments.json) {
    fmt::print(
        "pages of 40 trades over TLS, decoded and handed to another thread one by one or by page; median of {} "
        "passes\n",
        arguments.passes);
  }
  figures.print(arguments.json);
  return exit_success;
}

}  // namespace

void add_bench_combined(CLI::App& bench, Action& action) {
  auto* verb = bench.add_subcommand("combined", "One load with connection pools, object pools and batches, off and on");
  auto arguments = std::make_shared<Arguments>();
  verb->add_option("--pages", arguments->pages, "Pages a pass; a tenth where each has a connection of its own")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_pass_options(*verb, arguments->passes, arguments->json);
  verb->callback([&action, arguments] { action = [arguments] { return run(*arguments); }; });
  verb->footer("Example: marketprism bench combined");
}

}  // namespace marketprism::app
