#pragma once

struct ossl_lib_ctx_st;

namespace marketprism::net {

/// What an SSL_CTX is made with: OpenSSL's library context and the property query of what to prefer in it. Both null:
/// OpenSSL's own.
struct CryptoLibrary {
  ossl_lib_ctx_st* context = nullptr;
  const char* properties = nullptr;
};

/// A library context of its own in which AES-GCM is `AesGcm`'s and all else is OpenSSL's, so that the rest of the
/// process sees nothing of it. Both null where `AesGcm` is not available, and where this process insists on FIPS. Made
/// once, at the first call, and never freed. Any thread.
CryptoLibrary vector_crypto();

}  // namespace marketprism::net
