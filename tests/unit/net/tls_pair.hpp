#pragma once
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "marketprism/net/self_signed.hpp"
#include "marketprism/net/tls_engine.hpp"

namespace marketprism::net {

inline const SelfSigned& certificates() {
  static const SelfSigned made = make_self_signed().value();
  return made;
}

inline TlsContextPtr trusting(const SelfSigned& signed_by) {
  TlsClientOptions options;
  options.use_system_authorities = false;
  options.ca_pem = signed_by.ca_pem;
  return TlsContext::make_client(options).value();
}

inline TlsContextPtr serving(const SelfSigned& with) { return TlsContext::make_server(with.server_options()).value(); }

inline void give(TlsEngine& to, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto room = to.prepare();
    const std::size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    to.commit(count);
    bytes.remove_prefix(count);
  }
}

// Two engines and the wire between them, which is a pair of strings.
struct Pair {
  Pair(TlsContextPtr client_context, TlsContextPtr server_context, std::string_view server_name = "localhost")
      : client(std::move(client_context), server_name, "client:1"), server(std::move(server_context), "", "server:2") {}

  // `piece`: how many bytes the wire gives at a time.
  void carry(std::size_t piece = SIZE_MAX) {
    for (auto [from, to] : {std::pair(&client, &server), std::pair(&server, &client)}) {
      const std::string bytes = std::exchange(from->outgoing(), "");
      for (std::size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size() - at)) {
        give(*to, std::string_view(bytes).substr(at, piece));
        if (!is_done) step();
      }
    }
  }

  void step() {
    for (TlsEngine* engine : {&client, &server}) {
      const auto progress = engine->shake_hands();
      if (!progress && !failure) failure = progress.error();
      (engine == &client ? client_done : server_done) = progress && *progress == TlsEngine::Progress::done;
    }
    is_done = client_done && server_done;
  }

  bool shake_hands(std::size_t piece = SIZE_MAX) {
    for (int round = 0; round < 10 && !failure && !is_done; ++round) {
      step();
      carry(piece);
    }
    return is_done;
  }

  TlsEngine client;
  TlsEngine server;
  std::optional<Error> failure;
  bool client_done = false;
  bool server_done = false;
  bool is_done = false;
};

inline std::string read_all(TlsEngine& engine) {
  std::string out;
  std::array<std::byte, 1000> buffer;
  while (true) {
    const auto count = engine.read(buffer);
    if (!count || *count == 0) return out;
    out.append(reinterpret_cast<const char*>(buffer.data()), *count);
  }
}

}  // namespace marketprism::net
