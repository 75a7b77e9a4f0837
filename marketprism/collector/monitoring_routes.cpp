// The paths of the admin API. docs/openapi.json describes them; a test holds the server to it.
#include "marketprism/base/log.hpp"
#include "marketprism/collector/monitoring_state.hpp"
#include "marketprism/collector/picture_json.hpp"
#include "marketprism/memory/heap_profiler.hpp"
#include "marketprism/monitor/call_on.hpp"
#include "marketprism/monitor/prometheus.hpp"

namespace marketprism::collector {

using monitor::error_reply;
using monitor::json_reply;
using net::HttpReply;
using net::HttpServerRequest;
using net::Task;

namespace {

constexpr std::array<std::pair<std::string_view, LogLevel>, 5> log_levels{{{"debug", LogLevel::debug},
                                                                           {"info", LogLevel::info},
                                                                           {"warning", LogLevel::warning},
                                                                           {"error", LogLevel::error},
                                                                           {"off", LogLevel::off}}};

HttpReply show_heap(const HttpServerRequest& request) {
  const std::string format = request.head.query_value("format").value_or("json");
  const memory::HeapProfile profile = memory::heap_profile();
  if (format == "json") return json_reply(heap_profile_json(profile));
  if (format == "svg") return {.body = heap_flame_graph_svg(profile), .content_type = "image/svg+xml"};
  return error_reply(400, "give ?format= as json or svg");
}

HttpReply switch_heap_profiler(const HttpServerRequest& request) {
  const std::string wanted = request.head.query_value("on").value_or("");
  if (wanted == "false") {
    memory::stop_heap_profiler();
  } else if (wanted != "true") {
    return error_reply(400, "give ?on= as true or false");
  } else if (const auto started = memory::start_heap_profiler(); !started) {
    return error_reply(501, started.error().to_string());
  }
  return json_reply(R"({"on":)" + wanted + "}");
}

bool wants_text(const HttpServerRequest& request) {
  return request.head.find("Accept").value_or("").starts_with("text/plain");
}

}  // namespace

void Monitoring::State::add_json(std::string_view path, std::string (*body)(const Picture&)) {
  server->handle("GET", path, net::HttpHandler([this, body](const HttpServerRequest&) -> Task<HttpReply> {
                   const Picture picture = co_await take_picture();
                   co_return json_reply(body(picture), picture.is_answering ? 200 : 503);
                 }));
}

void Monitoring::State::add_routes() {
  server->handle("GET", "/healthz", net::HttpHandler([this](const HttpServerRequest&) -> Task<HttpReply> {
                   const auto picture = co_await recent_picture();
                   if (picture->is_answering) co_return json_reply(R"({"status":"ok"})");
                   co_return error_reply(503, "the collector's event loop is blocked");
                 }),
                 true);
  server->handle("GET", "/readyz", net::HttpHandler([this](const HttpServerRequest&) -> Task<HttpReply> {
                   const auto picture = co_await recent_picture();
                   std::string why_not;
                   if (picture->is_ready(&why_not)) co_return json_reply(R"({"status":"ready"})");
                   co_return error_reply(503, why_not);
                 }),
                 true);
  server->handle("GET", "/api/v1/status", net::HttpHandler([this](const HttpServerRequest& request) -> Task<HttpReply> {
                   const bool as_text = wants_text(request);
                   const Picture picture = co_await take_picture();
                   if (!as_text) co_return json_reply(status_json(picture), picture.is_answering ? 200 : 503);
                   co_return HttpReply{.body = status_text(picture), .content_type = "text/plain; charset=utf-8"};
                 }));
  add_json("/api/v1/pools", pools_json);
  add_json("/api/v1/connections", connections_json);
  add_json("/api/v1/feeds", feeds_json);
  add_json("/api/v1/loops", loops_json);
  add_json("/api/v1/queues", queues_json);
  add_json("/api/v1/sinks", sinks_json);
  add_json("/api/v1/gaps", gaps_json);
  server->handle("GET", "/api/v1/memory", net::HttpHandler([this](const HttpServerRequest&) -> Task<HttpReply> {
                   const Picture picture = co_await take_picture();
                   co_return json_reply(memory_json(picture));
                 }));
  server->handle("POST", "/api/v1/memory",
                 net::HttpHandler([this](const HttpServerRequest& request) { return label_memory(request); }));
  server->handle("GET", "/api/v1/memory/changes",
                 net::HttpFunction([this](const HttpServerRequest& request) { return compare_memory(request); }));
  server->handle("GET", "/api/v1/config",
                 net::HttpFunction([this](const HttpServerRequest&) { return json_reply(config_json(config)); }));
  server->handle("GET", "/api/v1/messages",
                 net::HttpFunction([this](const HttpServerRequest&) { return json_reply(messages_json()); }));
  server->handle("GET", "/api/v1/books",
                 net::HttpHandler([this](const HttpServerRequest& request) { return books(request); }));
  server->handle("GET", "/metrics",
                 net::HttpHandler([this](const HttpServerRequest& request) { return metrics_page(request); }));
  server->handle("GET", "/api/v1/report",
                 net::HttpHandler([this](const HttpServerRequest& request) { return report_page(request); }));
  server->handle("GET", "/api/v1/heap", net::HttpFunction(show_heap));
  server->handle("POST", "/api/v1/heap", net::HttpFunction(switch_heap_profiler));
  server->handle("POST", "/api/v1/drain", net::HttpFunction([this](const HttpServerRequest&) {
                   is_draining = true;
                   recent = nullptr;  // says that we are ready
                   watched.drain();
                   return json_reply(R"({"status":"draining"})", 202);
                 }));
  server->handle("POST", "/api/v1/log_level",
                 net::HttpFunction([this](const HttpServerRequest& request) { return set_log_level(request); }));
  server->serve_stream("/api/v1/stream");
  server->serve_assets(monitor::dashboard_assets());
}

Task<HttpReply> Monitoring::State::books(const HttpServerRequest& request) {
  const auto exchange = request.head.query_value("exchange"), symbol = request.head.query_value("symbol");
  if (exchange && symbol) {
    std::vector<std::pair<std::string, std::string>> wanted{{*exchange, *symbol}};
    const auto books = co_await take_books(std::move(wanted));
    if (books.empty()) co_return error_reply(503, "the collector's event loop is blocked");
    if (!books.front().is_known)
      co_return error_reply(404, "no book of " + *symbol + " is collected from " + *exchange + "; see /api/v1/books");
    co_return json_reply(book_json(books.front()));
  }
  std::function<std::vector<BookSummary>()> work = [this] { return take_book_summaries(); };
  const Instant deadline = here.refresh_now() + patience;
  const auto all = co_await monitor::call_on<std::vector<BookSummary>>(here, watched.loop, std::move(work), deadline);
  if (!all) co_return error_reply(503, all.error().message);
  const auto now = std::chrono::time_point_cast<Nanoseconds>(std::chrono::system_clock::now());
  co_return json_reply(books_json(*all, now));
}

Task<HttpReply> Monitoring::State::metrics_page(const HttpServerRequest& request) {
  const auto format = monitor::exposition_for(request.head.find("Accept").value_or(""));
  const Picture picture = co_await take_picture();
  if (!picture.is_answering)
    co_return error_reply(503, "the collector's event loop is blocked");  // nothing old for new
  auto scrape = co_await registry.gather(here, here.refresh_now() + patience);
  if (!scrape) co_return error_reply(503, scrape.error().message);
  metrics.add(*scrape, picture);
  metrics.add(*scrape, server->statistics(), server->stream());
  co_return HttpReply{.body = write_exposition(registry.families(), *scrape, format),
                      .content_type = std::string(content_type_of(format))};
}

Task<HttpReply> Monitoring::State::report_page(const HttpServerRequest& request) {
  const std::string format = request.head.query_value("format").value_or("json");
  const Picture picture = co_await take_picture(true);
  const monitor::EfficiencyInput input = efficiency_input(picture);
  if (format == "json") co_return json_reply(efficiency_json(input));
  if (format == "markdown")
    co_return HttpReply{.body = efficiency_markdown(input), .content_type = "text/markdown; charset=utf-8"};
  if (format == "html") co_return HttpReply{.body = efficiency_html(input), .content_type = "text/html; charset=utf-8"};
  co_return error_reply(400, "give ?format= as json, markdown or html");
}

HttpReply Monitoring::State::set_log_level(const HttpServerRequest& request) {
  const std::string wanted = request.head.query_value("level").value_or("");
  for (const auto& [name, level] : log_levels) {
    if (name != wanted) continue;
    marketprism::set_log_level(level);
    return json_reply(R"({"level":")" + wanted + "\"}");
  }
  return error_reply(400, "give ?level= as debug, info, warning, error or off");
}

}  // namespace marketprism::collector
