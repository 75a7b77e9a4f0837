#pragma once
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "marketprism/async/signal.hpp"
#include "marketprism/net/connector.hpp"
#include "marketprism/net/deadline.hpp"
#include "marketprism/pool/endpoint_set.hpp"

namespace redis {

using marketprism::Error;
using marketprism::ErrorCode;
using marketprism::fail;
using marketprism::Instant;
using marketprism::Result;
using marketprism::async::Task;

/// One connection to a Redis server: one command at a time, strings and integers only. A read is always armed, so that
/// the end of an unused connection shows at once. Belongs to its user, on its transport's loop.
class Connection {
 public:
  explicit Connection(marketprism::net::TransportPtr transport)
      : state_(std::make_shared<State>(std::move(transport))) {
    state_->transport->loop().spawn(read(state_));
  }
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends a command and gives its answer by the deadline; an error of the server ("-ERR …") is `rejected`.
  Task<Result<std::string>> command(std::vector<std::string> words, Instant deadline) {
    const auto state = state_;
    if (!state->is_open) co_return fail(ErrorCode::connection_closed, "Redis: the connection is closed");
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) text += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
    state->is_busy = true;
    const marketprism::net::Deadline guard(state->transport->loop(), deadline, *state->transport);
    const auto written = co_await state->transport->write(text);
    if (written) co_await state->answered.wait();
    state->is_busy = false;
    if (guard.has_passed()) co_return fail(ErrorCode::timed_out, "Redis: no answer in time");
    if (!written) co_return std::unexpected(written.error());
    co_return take_answer(*state);
  }

  void close() {
    state_->is_open = false;
    state_->transport->close();
  }
  [[nodiscard]] bool is_open() const { return state_->is_open; }
  /// Completes when the connection has ended.
  Task<> wait_for_end() {
    const auto state = state_;
    if (state->is_open) co_await state->ended.wait();
  }

 private:
  // Shared with the reading coroutine, which ends a little later than the connection.
  struct State {
    explicit State(marketprism::net::TransportPtr made)
        : transport(std::move(made)), answered(transport->loop()), ended(transport->loop()) {}
    marketprism::net::TransportPtr transport;
    std::string buffer;
    marketprism::async::Signal answered;
    marketprism::async::Signal ended;
    bool is_open = true;
    bool is_busy = false;
  };

  static Task<> read(std::shared_ptr<State> state) {
    std::array<std::byte, 4096> bytes;
    while (state->is_open) {
      const auto count = co_await state->transport->read_some(bytes);
      if (!count || !state->is_busy) break;  // the end, or bytes that nobody asked for
      state->buffer.append(reinterpret_cast<const char*>(bytes.data()), *count);
      if (answer_bytes(state->buffer) > 0) state->answered.set();
    }
    state->is_open = false;
    state->transport->close();
    state->ended.set();
    if (state->is_busy) state->answered.set();
  }

  /// How many bytes the first answer has; 0 while a part is missing.
  static std::size_t answer_bytes(std::string_view text) {
    const std::size_t line = text.find("\r\n");
    if (line == std::string_view::npos) return 0;
    if (text[0] != '$' || text[1] == '-') return line + 2;
    const std::size_t all = line + 2 + std::stoul(std::string(text.substr(1, line - 1))) + 2;
    return text.size() >= all ? all : 0;
  }

  static Result<std::string> take_answer(State& state) {
    const std::size_t bytes = answer_bytes(state.buffer);
    if (bytes == 0) return fail(ErrorCode::connection_closed, "Redis: the server closed the connection");
    const std::string answer = state.buffer.substr(0, bytes);
    state.buffer.erase(0, bytes);
    const std::size_t line = answer.find("\r\n");
    if (answer[0] == '-') return fail(ErrorCode::rejected, "Redis: " + answer.substr(1, line - 1));
    if (answer.starts_with("$-1")) return fail(ErrorCode::not_found, "Redis: there is no such key");
    if (answer[0] == '$') return answer.substr(line + 2, bytes - line - 4);
    return answer.substr(1, line - 1);
  }

  std::shared_ptr<State> state_;
};

using ConnectionPtr = std::unique_ptr<Connection>;

/// All that a ConnectionPool needs to know of Redis.
class Connector {
 public:
  explicit Connector(marketprism::async::EventLoop& loop) : loop_(&loop) {}

  Task<Result<ConnectionPtr>> connect(const marketprism::pool::Endpoint& endpoint, Instant deadline) {
    marketprism::net::ConnectTarget target;
    target.host = endpoint.host;
    target.port = endpoint.port;
    auto transport = co_await marketprism::net::connect(*loop_, std::move(target), deadline);
    if (!transport) co_return std::unexpected(std::move(transport.error()));
    co_return std::make_unique<Connection>(std::move(*transport));
  }

  Task<Result<>> check(ConnectionPtr& connection, Instant deadline) {
    std::vector<std::string> ping(1, "PING");
    const auto answer = co_await connection->command(std::move(ping), deadline);
    if (!answer) co_return std::unexpected(answer.error());
    co_return Result<>();
  }

  Task<> close(ConnectionPtr connection) {
    connection->close();
    co_return;
  }

  Task<> watch(ConnectionPtr& connection) { return connection->wait_for_end(); }
  void abort(ConnectionPtr& connection) { connection->close(); }

 private:
  marketprism::async::EventLoop* loop_;
};

}  // namespace redis
