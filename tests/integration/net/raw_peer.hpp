#pragma once
#include <array>
#include <functional>
#include <memory>
#include <string>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/listener.hpp"
#include "marketprism/net/socket.hpp"
#include "marketprism/net/transport.hpp"

namespace marketprism::net {

/// A server that follows a script, for everything a good server never does. Accepts one connection after the other and
/// runs the script on each, or on all side by side; on the test's loop.
class RawPeer {
 public:
  using Script = std::function<Task<>(Socket& socket)>;
  enum class Order { one_by_one, side_by_side };

  RawPeer(EventLoop& loop, Script script, Order order = Order::one_by_one)
      : state_(std::make_shared<State>(loop, std::move(script), order)) {
    port_ = state_->listener.listen("127.0.0.1", 0).value();
    loop.spawn(accept(state_));
  }
  ~RawPeer() { state_->listener.close(); }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] int connections() const { return state_->connections; }

 private:
  // Shared with the accepting coroutine, which sees the end of the listener only after the peer is gone.
  struct State {
    State(EventLoop& the_loop, Script the_script, Order the_order)
        : loop(the_loop), script(std::move(the_script)), order(the_order), listener(the_loop) {}
    EventLoop& loop;
    Script script;
    Order order;
    Listener listener;
    int connections = 0;
  };

  static Task<> accept(std::shared_ptr<State> state) {
    while (true) {
      auto socket = co_await state->listener.accept();
      if (!socket) co_return;
      ++state->connections;
      if (state->order == Order::side_by_side) {
        state->loop.spawn(serve(state, std::move(*socket)));
      } else {
        co_await state->script(*socket);
      }
    }
  }
  static Task<> serve(std::shared_ptr<State> state, Socket socket) { co_await state->script(socket); }

  std::shared_ptr<State> state_;
  std::uint16_t port_ = 0;
};

/// Sends all of it; the loopback's buffers must take it.
inline void send_text(Socket& socket, std::string_view text) {
  while (!text.empty()) {
    const auto sent = socket.send_now(std::span(&text, 1));
    if (!sent || *sent == 0) return;
    text.remove_prefix(*sent);
  }
}

/// Reads until `end` was seen, or the peer closes.
inline Task<std::string> read_until(Socket& socket, std::string end) {
  std::string text;
  std::array<std::byte, 4096> buffer;
  while (text.find(end) == std::string::npos) {
    const auto count = co_await socket.read_some(buffer);
    if (!count) break;
    text.append(reinterpret_cast<const char*>(buffer.data()), *count);
  }
  co_return text;
}

/// Reads until the peer closes.
inline Task<std::string> read_to_end(Socket& socket) { return read_until(socket, "\x01 never \x01"); }

}  // namespace marketprism::net
