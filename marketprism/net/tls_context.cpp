#include "marketprism/net/tls_context.hpp"

#include <fstream>
#include <new>
#include <sstream>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "marketprism/net/crypto_provider.hpp"
#include "marketprism/net/tls_engine.hpp"
#include "marketprism/net/tls_sessions.hpp"

namespace marketprism::net {
namespace {

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct X509Deleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, BioDeleter>;
using X509Ptr = std::unique_ptr<X509, X509Deleter>;

BioPtr open_text(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Result<std::string> read_file(const std::string& path, std::string_view what) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return fail(ErrorCode::not_found, path + ": cannot read the " + std::string(what) + "; check the path", true);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// Trusts every certificate of a PEM text.
Result<> trust(SSL_CTX* context, const std::string& pem, const std::string& where) {
  const BioPtr bio = open_text(pem);
  std::size_t count = 0;
  while (const X509Ptr certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get());
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return fail(ErrorCode::malformed, where + ": holds no PEM certificate", true);
  return {};
}

Result<> use_certificates(SSL_CTX* context, const std::string& pem, const std::string& where) {
  const BioPtr bio = open_text(pem);
  const X509Ptr first{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)};
  if (first == nullptr || SSL_CTX_use_certificate(context, first.get()) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::malformed, where + ": holds no usable PEM certificate", true);
  }
  while (X509Ptr next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    SSL_CTX_add0_chain_cert(context, next.release());
  }
  ERR_clear_error();
  return {};
}

Result<> use_key(SSL_CTX* context, const std::string& pem, const std::string& where) {
  const BioPtr bio = open_text(pem);
  const std::unique_ptr<EVP_PKEY, KeyDeleter> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  const bool is_used = key != nullptr && SSL_CTX_use_PrivateKey(context, key.get()) == 1;
  const bool fits = is_used && SSL_CTX_check_private_key(context) == 1;
  ERR_clear_error();
  if (key == nullptr) return fail(ErrorCode::malformed, where + ": holds no PEM key without a password", true);
  if (!fits) return fail(ErrorCode::malformed, where + ": the key does not belong to the certificate", true);
  return {};
}

SSL_CTX* make_native(const SSL_METHOD* method, bool use_vector_aes) {
  const CryptoLibrary library = use_vector_aes ? vector_crypto() : CryptoLibrary{};
  SSL_CTX* context = SSL_CTX_new_ex(library.context, library.properties, method);
  if (context == nullptr) throw std::bad_alloc();
  return context;
}

void set_protocol(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // 34 KB less for every idle connection
  // OpenSSL would ask for 256-bit keys first, which cost a quarter more a byte; browsers put 128 bits first too.
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}

// Servers that insist on ALPN: the first protocol of ours that the client offers too.
int choose_http(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                unsigned offered_size, void*) {
  static constexpr unsigned char ours[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, offered, offered_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

TlsContext::TlsContext(ssl_ctx_st* context, bool is_server) : context_(context), is_server_(is_server) {
  if (!is_server) sessions_ = std::make_unique<TlsSessions>();
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Result<TlsContextPtr> TlsContext::make_client(const TlsClientOptions& options) {
  SSL_CTX* native = make_native(TLS_client_method(), options.use_vector_aes);
  std::shared_ptr<TlsContext> context(new TlsContext(native, false));
  context->verifies_ = options.verify;
  set_protocol(native);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(native, &TlsEngine::keep_session);
  SSL_CTX_set_verify(native, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.use_system_authorities) SSL_CTX_set_default_verify_paths(native);
  ERR_clear_error();
  if (!options.ca_file.empty()) {
    const auto text = read_file(options.ca_file, "CA file");
    if (!text) return std::unexpected(text.error());
    if (auto trusted = trust(native, *text, options.ca_file); !trusted)
      return std::unexpected(std::move(trusted.error()));
  }
  if (!options.ca_pem.empty()) {
    if (auto trusted = trust(native, options.ca_pem, "the CA text"); !trusted) {
      return std::unexpected(std::move(trusted.error()));
    }
  }
  std::string protocols;
  for (const std::string& name : options.alpn) {
    if (name.empty() || name.size() > 255) return fail(ErrorCode::invalid_argument, "bad ALPN protocol name", true);
    protocols += static_cast<char>(name.size());
    protocols += name;
  }
  if (!protocols.empty()) {
    SSL_CTX_set_alpn_protos(native, reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned>(protocols.size()));
  }
  return context;
}

Result<TlsContextPtr> TlsContext::make_server(const TlsServerOptions& options) {
  SSL_CTX* native = make_native(TLS_server_method(), options.use_vector_aes);
  std::shared_ptr<TlsContext> context(new TlsContext(native, true));
  set_protocol(native);
  SSL_CTX_set_alpn_select_cb(native, choose_http, nullptr);
  std::string certificate = options.certificate_pem;
  std::string key = options.key_pem;
  if (!options.certificate_file.empty()) {
    auto text = read_file(options.certificate_file, "certificate");
    if (!text) return std::unexpected(std::move(text.error()));
    certificate = std::move(*text);
  }
  if (!options.key_file.empty()) {
    auto text = read_file(options.key_file, "key");
    if (!text) return std::unexpected(std::move(text.error()));
    key = std::move(*text);
  }
  const std::string certificate_at = options.certificate_file.empty() ? "the certificate" : options.certificate_file;
  const std::string key_at = options.key_file.empty() ? "the key" : options.key_file;
  if (auto used = use_certificates(native, certificate, certificate_at); !used) {
    return std::unexpected(std::move(used.error()));
  }
  if (auto used = use_key(native, key, key_at); !used) return std::unexpected(std::move(used.error()));
  return context;
}

}  // namespace marketprism::net
