#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "marketprism/base/error.hpp"
#include "marketprism/net/tls_context.hpp"

namespace marketprism::net {

struct SelfSignedOptions {
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};  ///< DNS names and IP addresses it is valid for
  std::chrono::seconds valid_from = -std::chrono::hours(1);            ///< relative to now
  std::chrono::seconds valid_for =
      std::chrono::hours(24 * 30);  ///< from `valid_from`; make it end in the past: expired
};

/// A throw-away authority and a server certificate signed by it (EC P-256), as PEM. For the emulator and for tests.
struct SelfSigned {
  std::string ca_pem;           ///< give this to `TlsClientOptions::ca_pem`
  std::string certificate_pem;  ///< the server's certificate, then the authority's
  std::string key_pem;

  [[nodiscard]] TlsServerOptions server_options() const;
  /// Writes ca.pem, certificate.pem and key.pem (mode 0600) into a folder that exists.
  Result<> write_files(const std::string& folder) const;
};

Result<SelfSigned> make_self_signed(const SelfSignedOptions& options = {});

}  // namespace marketprism::net
