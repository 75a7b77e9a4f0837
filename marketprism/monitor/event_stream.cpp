#include "marketprism/monitor/event_stream.hpp"

#include "marketprism/net/deadline.hpp"

namespace marketprism::monitor {
namespace {

constexpr std::string_view reply_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    "retry: 1000\n\n";
constexpr std::string_view refusal =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 43\r\n"
    "Retry-After: 5\r\nConnection: close\r\n\r\n{\"error\":\"too many listen to this already\"}";
static_assert(std::string_view("{\"error\":\"too many listen to this already\"}").size() == 43);

}  // namespace

EventStream::Client::Client(async::EventLoop& loop, const net::HttpHead& head)
    : exchange_(head.query_value("exchange").value_or("")),
      symbol_(head.query_value("symbol").value_or("")),
      pending_(reply_head),
      ready_(loop) {}

net::Task<> EventStream::serve(const net::HttpServerRequest& request, net::TransportPtr transport) {
  if (clients_.size() >= options_.clients_max) {
    ++refused_clients_;
    const net::Deadline deadline(loop_, loop_.now() + options_.write_timeout, *transport);
    static_cast<void>(co_await transport->write(refusal));
    co_return;
  }
  const auto place = clients_.emplace(clients_.end(), loop_, request.head);
  place->transport_ = transport.get();
  co_await pump(*place, *transport);
  clients_.erase(place);
}

net::Task<> EventStream::pump(Client& client, net::Transport& transport) {
  std::string sending;
  while (!client.is_cut_ && transport.is_open()) {
    if (client.pending_.empty()) {
      const auto outcome = co_await client.ready_.wait(loop_.now() + options_.heartbeat);
      if (outcome == async::Signal::Outcome::cancelled) co_return;
      if (outcome == async::Signal::Outcome::timed_out) client.pending_ = ":\n\n";
      continue;
    }
    sending.clear();
    sending.swap(client.pending_);
    const net::Deadline deadline(loop_, loop_.now() + options_.write_timeout, transport);
    const auto sent = co_await transport.write(std::string_view(sending));
    if (!sent) {
      if (deadline.has_passed()) ++cut_clients_;
      co_return;
    }
  }
}

void EventStream::send(Client& client, std::string_view event, std::string_view json) {
  if (client.is_cut_) return;
  if (client.pending_.size() + json.size() > options_.pending_bytes_max) {
    ++cut_clients_;
    return cut(client);
  }
  client.pending_.append("event: ").append(event).append("\ndata: ").append(json).append("\n\n");
  client.is_new = false;
  client.ready_.set();
}

void EventStream::cut(Client& client) {
  client.is_cut_ = true;
  client.transport_->close();
  client.ready_.set();
}

void EventStream::for_each_client(const std::function<void(Client&)>& f) {
  for (auto at = clients_.begin(); at != clients_.end();) f(*at++);  // one that is cut may leave the list meanwhile
}

void EventStream::end() {
  for_each_client([this](Client& client) { cut(client); });
}

}  // namespace marketprism::monitor
