#include "marketprism/net/tls_engine.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <new>

#include <boost/asio/ip/address.hpp>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "marketprism/net/tls_sessions.hpp"

namespace marketprism::net {

// The BIO through which OpenSSL reads and writes the engine's buffers.
struct TlsEngineStream {
  static int read(BIO* bio, char* data, int size) {
    auto& engine = *static_cast<TlsEngine*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    const std::string_view unread = engine.incoming_.unread();
    if (unread.empty()) {
      if (engine.has_ended_) return 0;
      BIO_set_retry_read(bio);
      return -1;
    }
    const std::size_t count = std::min(unread.size(), static_cast<std::size_t>(size));
    std::memcpy(data, unread.data(), count);
    engine.incoming_.consume(count);
    return static_cast<int>(count);
  }

  static int write(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    static_cast<TlsEngine*>(BIO_get_data(bio))->outgoing_.append(data, static_cast<std::size_t>(size));
    return size;
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    if (command == BIO_CTRL_EOF) {
      const auto& engine = *static_cast<TlsEngine*>(BIO_get_data(bio));
      return engine.has_ended_ && engine.incoming_.unread_bytes() == 0 ? 1 : 0;
    }
    return 0;
  }

  // Called for each certificate of the chain. The certificate that is at fault is known only here.
  static int verify(int is_good, X509_STORE_CTX* store) {
    if (is_good == 1) return 1;
    const auto* ssl = static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    auto& engine = *static_cast<TlsEngine*>(SSL_get_app_data(ssl));
    engine.refuse_certificate(X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_current_cert(store));
    return 0;
  }

  static BIO* make(TlsEngine& engine) {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "marketprism");
      if (made == nullptr) throw std::bad_alloc();
      BIO_meth_set_read(made, &TlsEngineStream::read);
      BIO_meth_set_write(made, &TlsEngineStream::write);
      BIO_meth_set_ctrl(made, &TlsEngineStream::control);
      return made;
    }();
    BIO* bio = BIO_new(method);
    if (bio == nullptr) throw std::bad_alloc();
    BIO_set_data(bio, &engine);
    BIO_set_init(bio, 1);
    return bio;
  }
};

namespace {

bool is_ip_address(const std::string& text) {
  boost::system::error_code error;
  boost::asio::ip::make_address(text, error);
  return !error;
}

// The reason of the newest OpenSSL error, and an empty queue.
std::string take_openssl_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "unknown error" : reason;
}

std::string name_text(const X509_NAME* name) {
  BIO* out = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(out, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(out);
  return text;
}

std::string time_text(const ASN1_TIME* time) {
  BIO* out = BIO_new(BIO_s_mem());
  ASN1_TIME_print(out, time);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(out);
  return text;
}

// The names a certificate is for: "a.example, *.b.example, 192.0.2.1".
std::string subject_names(const X509* certificate) {
  std::string text;
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    std::string one;
    if (name->type == GEN_DNS) {
      one.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                 static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    } else if (name->type == GEN_IPADD) {
      std::array<char, INET6_ADDRSTRLEN> address{};
      const int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
      const void* bytes = ASN1_STRING_get0_data(name->d.iPAddress);
      if (inet_ntop(family, bytes, address.data(), address.size()) != nullptr) one = address.data();
    }
    if (one.empty() || text.size() > 200) continue;
    text += (text.empty() ? "" : ", ") + one;
  }
  GENERAL_NAMES_free(names);
  return text.empty() ? "no host name at all" : text;
}

Error verification_error(const std::string& peer, const std::string& server_name, long reason,
                         const X509* certificate) {
  const std::string of = peer + ": the server's certificate ";
  std::string text;
  switch (reason) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      text = of + "expired" + (certificate ? " on " + time_text(X509_get0_notAfter(certificate)) : "") +
             "; check the clock of this machine, else its operator must renew it";
      break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      text = of + "is not valid yet" +
             (certificate ? ", not before " + time_text(X509_get0_notBefore(certificate)) : "") +
             "; check the clock of this machine";
      break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      text = of + "is for " + (certificate ? subject_names(certificate) : "another host") + ", not for " + server_name +
             "; check the host name";
      break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      text = of + "is signed by an authority that is not trusted here" +
             (certificate ? " (" + name_text(X509_get_issuer_name(certificate)) + ")" : "") +
             "; if it is yours, give its certificate as the CA file";
      break;
    default: text = of + "is refused: " + X509_verify_cert_error_string(reason);
  }
  return {ErrorCode::tls_failed, std::move(text), true, nullptr};
}

}  // namespace

TlsEngine::TlsEngine(TlsContextPtr context, std::string_view server_name, std::string peer)
    : context_(std::move(context)),
      server_name_(server_name),
      peer_(std::move(peer)),
      ssl_(SSL_new(context_->native())),
      incoming_(16 * 1024, 256 * 1024) {
  if (ssl_ == nullptr) throw std::bad_alloc();
  BIO* bio = TlsEngineStream::make(*this);
  SSL_set_bio(ssl_, bio, bio);
  if (context_->is_server()) {
    SSL_set_accept_state(ssl_);
    return;
  }
  SSL_set_connect_state(ssl_);
  SSL_set_app_data(ssl_, this);
  if (const TlsSessionPtr session = context_->sessions()->take(peer_ + '/' + server_name_)) {
    SSL_set_session(ssl_, session.get());
  }
  if (context_->verifies()) SSL_set_verify(ssl_, SSL_VERIFY_PEER, &TlsEngineStream::verify);
  if (is_ip_address(server_name_)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), server_name_.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_, server_name_.c_str());
    SSL_set_hostflags(ssl_, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl_, server_name_.c_str());
  }
}

TlsEngine::~TlsEngine() {
  // Otherwise OpenSSL forbids to resume a session whose connection was merely cut, which is how most of them end.
  SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

Result<TlsEngine::Progress> TlsEngine::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return Progress::done;
  const int error = SSL_get_error(ssl_, result);
  if (error == SSL_ERROR_WANT_READ) return Progress::wants_read;
  return std::unexpected(handshake_error(error));
}

Error TlsEngine::handshake_error(int ssl_error) {
  if (verification_failure_) {
    ERR_clear_error();
    return *verification_failure_;
  }
  const unsigned long code = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(code);
  if (ssl_error == SSL_ERROR_SYSCALL || ssl_error == SSL_ERROR_ZERO_RETURN ||
      reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    ERR_clear_error();
    return {ErrorCode::connection_reset,
            peer_ + ": the peer cut the connection in the TLS handshake; check that this port speaks TLS", false,
            nullptr};
  }
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST || reason == SSL_R_PACKET_LENGTH_TOO_LONG ||
      reason == SSL_R_RECORD_LENGTH_MISMATCH || reason == SSL_R_BAD_RECORD_TYPE) {
    ERR_clear_error();
    return {ErrorCode::tls_failed,
            peer_ + ": the peer does not speak TLS on this port; check the port, or leave TLS off", true, nullptr};
  }
  return protocol_error("the TLS handshake failed");
}

void TlsEngine::refuse_certificate(long reason, const x509_st* certificate) {
  if (!verification_failure_) verification_failure_ = verification_error(peer_, server_name_, reason, certificate);
}

Error TlsEngine::protocol_error(std::string_view doing) {
  return {ErrorCode::tls_failed, peer_ + ": " + std::string(doing) + ": " + take_openssl_error(), false, nullptr};
}

Result<std::size_t> TlsEngine::read(std::span<std::byte> buffer) {
  std::size_t filled = 0;
  ERR_clear_error();
  while (filled < buffer.size()) {
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_, buffer.data() + filled, buffer.size() - filled, &count);
    if (result == 1) {
      filled += count;
      continue;
    }
    if (filled != 0) {  // an error comes again with the next read
      ERR_clear_error();
      break;
    }
    const int error = SSL_get_error(ssl_, result);
    if (error == SSL_ERROR_WANT_READ) return std::size_t{0};
    if (error == SSL_ERROR_ZERO_RETURN) {
      return fail(ErrorCode::connection_closed, peer_ + ": the peer closed the connection");
    }
    if (error == SSL_ERROR_SYSCALL || ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      ERR_clear_error();
      return fail(ErrorCode::connection_reset, peer_ + ": the peer cut the connection without closing TLS");
    }
    return std::unexpected(protocol_error("bad TLS bytes"));
  }
  return filled;
}

Result<> TlsEngine::write(std::string_view bytes) {
  if (bytes.empty()) return {};
  ERR_clear_error();
  std::size_t count = 0;
  if (SSL_write_ex(ssl_, bytes.data(), bytes.size(), &count) == 1 && count == bytes.size()) return {};
  return std::unexpected(protocol_error("writing over TLS failed"));
}

void TlsEngine::say_goodbye() {
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

int TlsEngine::keep_session(ssl_st* ssl, ssl_session_st* session) {
  const auto& engine = *static_cast<TlsEngine*>(SSL_get_app_data(ssl));
  engine.context_->sessions()->put(engine.peer_ + '/' + engine.server_name_, TlsSessionPtr(session));
  return 1;  // it is ours now
}

std::string TlsEngine::version() const { return SSL_get_version(ssl_); }
std::string TlsEngine::cipher() const { return SSL_get_cipher_name(ssl_); }
bool TlsEngine::was_resumed() const { return SSL_session_reused(ssl_) == 1; }

}  // namespace marketprism::net
