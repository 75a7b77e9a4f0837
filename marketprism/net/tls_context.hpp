#pragma once
#include <memory>
#include <string>
#include <vector>

#include "marketprism/base/error.hpp"

struct ssl_ctx_st;

namespace marketprism::net {

class TlsSessions;

struct TlsClientOptions {
  bool use_system_authorities = true;  ///< trust what the operating system trusts
  std::string ca_file;                 ///< trust the certificates of this PEM file too
  std::string ca_pem;                  ///< trust these PEM certificates too
  bool verify = true;             ///< check chain, date and host name. Only a person may turn this off, never a default
  std::vector<std::string> alpn;  ///< protocols to offer, e.g. {"http/1.1"}; empty: none
  /// Prefer AES-GCM by VAES and AVX-512 where this build and this processor have it (see `AesGcm`); else OpenSSL's.
  bool use_vector_aes = true;
};

/// Certificate chain and key, each as PEM text or as the name of a PEM file.
struct TlsServerOptions {
  std::string certificate_pem;
  std::string key_pem;
  std::string certificate_file;
  std::string key_file;
  bool use_vector_aes = true;  ///< as of a client
};

/// The settings that many TLS connections share: certificates, verification, session cache. TLS 1.2 and newer.
/// Immutable and safe to share between threads; connections keep it alive.
class TlsContext {
 public:
  /// `not_found` or `malformed` for a bad CA file, terminal.
  static Result<std::shared_ptr<const TlsContext>> make_client(const TlsClientOptions& options = {});
  /// `not_found`, `malformed` (also: the key does not belong to the certificate), terminal.
  static Result<std::shared_ptr<const TlsContext>> make_server(const TlsServerOptions& options);

  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  [[nodiscard]] bool is_server() const { return is_server_; }
  [[nodiscard]] bool verifies() const { return verifies_; }
  [[nodiscard]] ssl_ctx_st* native() const { return context_; }
  /// A client's; null on a server.
  [[nodiscard]] TlsSessions* sessions() const { return sessions_.get(); }

 private:
  TlsContext(ssl_ctx_st* context, bool is_server);

  ssl_ctx_st* context_;
  bool is_server_;
  bool verifies_ = true;
  std::unique_ptr<TlsSessions> sessions_;
};

using TlsContextPtr = std::shared_ptr<const TlsContext>;

}  // namespace marketprism::net
