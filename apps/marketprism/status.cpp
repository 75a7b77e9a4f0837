// `status` and `report`: what a running collector says of itself, asked over its admin API.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

#include "apps/marketprism/verbs.hpp"
#include "marketprism/async/block_on.hpp"
#include "marketprism/net/http_connection_pool.hpp"

namespace marketprism::app {
namespace {

struct Arguments {
  std::string url = "http://127.0.0.1:8080";
  bool json = false;
  std::string format = "markdown";
  std::string output;
};

async::Task<Result<std::string>> get(net::HttpConnectionPool& pool, wire::Url url, net::HttpRequest request) {
  const std::string where = url.to_string();
  auto response = co_await pool.request(std::move(url), std::move(request));
  if (!response) co_return fail_because(response.error(), "no collector answers; it serves this with --admin");
  if ((*response)->status() != 200)
    co_return fail(ErrorCode::rejected,
                   fmt::format("{} answers {}: {}", where, (*response)->status(), (*response)->body));
  co_return response->take().body;
}

/// The body of the answer. The token comes from the environment, as the collector's does.
Result<std::string> ask(const std::string& base, const std::string& path, const std::string& accept) {
  auto url = wire::parse_url(base + path);
  if (!url) return fail_because(url.error(), "--url takes for example http://127.0.0.1:8080");
  async::EventLoop loop;
  net::HttpPoolOptions options;
  options.config.connections.min_size = 0;
  options.config.connections.retry_attempts = 1;
  auto pool = net::HttpConnectionPool::create(loop, std::move(options));
  if (!pool) return std::unexpected(pool.error());
  net::HttpRequest request;
  request.headers.add("Accept", accept);
  if (const char* token = std::getenv("MARKETPRISM_ADMIN_TOKEN"); token != nullptr)
    request.headers.add("Authorization", fmt::format("Bearer {}", token));
  return async::block_on(loop, get(*pool, std::move(*url), std::move(request)));
}

int show_status(const Arguments& arguments) {
  const auto text = ask(arguments.url, "/api/v1/status", arguments.json ? "application/json" : "text/plain");
  if (!text) {
    complain(text.error().to_string());
    return exit_failure;
  }
  fmt::print("{}{}", *text, arguments.json ? "\n" : "");
  return exit_success;
}

int show_report(const Arguments& arguments) {
  const auto text = ask(arguments.url, "/api/v1/report?format=" + arguments.format, "*/*");
  if (!text) {
    complain(text.error().to_string());
    return exit_failure;
  }
  if (arguments.output.empty()) {
    fmt::print("{}", *text);
    return exit_success;
  }
  std::ofstream file(arguments.output, std::ios::binary);
  file << *text;
  file.close();
  if (file) return exit_success;
  complain("cannot write " + arguments.output);
  return exit_failure;
}

}  // namespace

void add_status(CLI::App& program, Action& action) {
  auto arguments = std::make_shared<Arguments>();
  auto* status = program.add_subcommand("status", "Show what a running collector does");
  status->add_option("-u,--url", arguments->url, "Where it serves its API")->capture_default_str();
  status->add_flag("--json", arguments->json, "As JSON");
  status->callback([&action, arguments] { action = [arguments] { return show_status(*arguments); }; });
  status->footer("Example: marketprism status --url http://127.0.0.1:8080");

  auto* report = program.add_subcommand("report", "What pooling saved in a running collector, and what to change");
  report->add_option("-u,--url", arguments->url, "Where it serves its API")->capture_default_str();
  report->add_option("-f,--format", arguments->format, "How to write it")
      ->check(CLI::IsMember({"markdown", "json", "html"}))
      ->capture_default_str();
  report->add_option("-o,--output", arguments->output, "Write to this file");
  report->callback([&action, arguments] { action = [arguments] { return show_report(*arguments); }; });
  report->footer("Example: marketprism report --format html --output report.html");
}

}  // namespace marketprism::app
