#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "marketprism/base/error.hpp"
#include "marketprism/net/tls_context.hpp"
#include "marketprism/wire/read_buffer.hpp"

struct ssl_st;
struct ssl_session_st;
struct x509_st;

namespace marketprism::net {

/// One TLS connection without its socket: bytes from the network go in (`prepare`, `commit`), bytes for the network
/// gather in `outgoing()`. Sans-I/O; belongs to one transport. Errors name `peer`.
class TlsEngine {
 public:
  enum class Progress : std::uint8_t { done, wants_read };

  /// `server_name`: what a client verifies and sends as SNI; ignored on a server.
  TlsEngine(TlsContextPtr context, std::string_view server_name, std::string peer);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  [[nodiscard]] std::span<std::byte> prepare() { return incoming_.prepare(); }
  void commit(std::size_t count) { incoming_.commit(count); }
  /// The network gave its end.
  void end_of_stream() { has_ended_ = true; }

  Result<Progress> shake_hands();
  /// Decrypts into `buffer`; 0: more bytes from the network are needed. `connection_closed` after close_notify,
  /// `connection_reset` if the network ended without.
  Result<std::size_t> read(std::span<std::byte> buffer);
  /// Encrypts all of it into `outgoing()`.
  Result<> write(std::string_view bytes);
  /// Puts a close_notify into `outgoing()`.
  void say_goodbye();

  [[nodiscard]] std::string& outgoing() { return outgoing_; }
  [[nodiscard]] const std::string& outgoing() const { return outgoing_; }
  [[nodiscard]] std::string version() const;
  [[nodiscard]] std::string cipher() const;
  [[nodiscard]] bool was_resumed() const;

  /// OpenSSL's callback for a session that a server gave us.
  static int keep_session(ssl_st* ssl, ssl_session_st* session);

 private:
  friend struct TlsEngineStream;

  Error handshake_error(int ssl_error);
  void refuse_certificate(long reason, const x509_st* certificate);
  Error protocol_error(std::string_view doing);

  TlsContextPtr context_;
  std::string server_name_;
  std::string peer_;
  ssl_st* ssl_;
  wire::ReadBuffer incoming_;
  std::string outgoing_;
  bool has_ended_ = false;
  std::optional<Error> verification_failure_;
};

}  // namespace marketprism::net
