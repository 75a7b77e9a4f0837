#include "marketprism/emulator/emulator.hpp"

#include <algorithm>
#include <cassert>

#include "marketprism/async/event_loop.hpp"
#include "marketprism/emulator/server.hpp"
#include "marketprism/net/self_signed.hpp"

namespace marketprism::emulator {

Emulator::Emulator(async::EventLoop& loop, EmulatorOptions options) : loop_(loop), options_(std::move(options)) {}

Emulator::~Emulator() { stop(); }

Result<net::TlsContextPtr> Emulator::make_tls() {
  if (!options_.use_tls) return nullptr;
  const net::TlsServerOptions& given = options_.certificate;
  if (!given.certificate_pem.empty() || !given.certificate_file.empty()) return net::TlsContext::make_server(given);
  net::SelfSignedOptions wanted;
  if (std::ranges::find(wanted.hosts, options_.address) == wanted.hosts.end()) {
    wanted.hosts.push_back(options_.address);
  }
  const Result<net::SelfSigned> made = net::make_self_signed(wanted);
  if (!made) return std::unexpected(made.error());
  ca_pem_ = made->ca_pem;
  if (!options_.certificate_folder.empty()) {
    if (const Result<> written = made->write_files(options_.certificate_folder); !written) {
      return std::unexpected(written.error());
    }
  }
  return net::TlsContext::make_server(made->server_options());
}

Result<> Emulator::start() {
  assert(servers_.empty());
  const Result<net::TlsContextPtr> tls = make_tls();
  if (!tls) return std::unexpected(tls.error());
  for (const EmulatedVenue& venue : options_.venues) {
    Result<std::unique_ptr<Dialect>> dialect = make_dialect(venue.exchange);
    if (!dialect) return std::unexpected(dialect.error());
    const auto same = [&](const auto& server) { return server->exchange() == venue.exchange; };
    if (std::ranges::any_of(servers_, same)) {
      return fail(ErrorCode::invalid_argument, "emulator: exchange \"" + venue.exchange + "\" is named twice", true);
    }
    servers_.push_back(std::make_shared<Server>(loop_, options_, venue, std::move(*dialect), *tls));
    if (Result<> started = servers_.back()->start(); !started) return started;
  }
  return {};
}

void Emulator::stop() {
  for (const auto& server : servers_) server->stop();
}

Emulator::Server& Emulator::server(std::string_view exchange) const {
  const auto found = std::ranges::find_if(servers_, [&](const auto& server) { return server->exchange() == exchange; });
  assert(found != servers_.end() && "no such exchange here");
  return **found;
}

std::uint16_t Emulator::port(std::string_view exchange) const {
  for (const auto& server : servers_) {
    if (server->exchange() == exchange) return server->http().port();
  }
  return 0;
}

std::string Emulator::rest_url(std::string_view exchange) const {
  return (options_.use_tls ? "https://" : "http://") + options_.address + ":" + std::to_string(port(exchange));
}

std::string Emulator::websocket_url(std::string_view exchange) const {
  return (options_.use_tls ? "wss://" : "ws://") + options_.address + ":" + std::to_string(port(exchange));
}

std::vector<VenueStatus> Emulator::status() const {
  std::vector<VenueStatus> list;
  for (const auto& server : servers_) list.push_back(server->status());
  return list;
}

bool Emulator::is_finished() const {
  bool has_recording = false;
  for (const VenueStatus& venue : status()) {
    if (venue.progress.frames == 0) continue;
    has_recording = true;
    if (!venue.progress.is_finished) return false;
  }
  return has_recording;
}

void Emulator::set_faults(std::string_view exchange, const FaultPlan& plan) {
  server(exchange).venue().set_faults(plan);
}

void Emulator::refuse_connections(std::string_view exchange) { server(exchange).http().stop_accepting(); }

Result<> Emulator::accept_again(std::string_view exchange) {
  const Result<std::uint16_t> port = server(exchange).http().listen();
  if (!port) return std::unexpected(port.error());
  return {};
}

void Emulator::cut_all(std::string_view exchange) { server(exchange).http().cut_all(); }

void Emulator::warn_all(std::string_view exchange) {
  Server& venue = server(exchange);
  venue.venue().warn_all(venue.moment());
  venue.send_queued();
}

}  // namespace marketprism::emulator
