#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace marketprism::net {

/// AES-GCM with the vector instructions of newer processors (VAES, VPCLMULQDQ, AVX-512), by Intel's Multi-Buffer Crypto
/// for IPsec library: a record of 16 KiB in a third, one of 256 bytes in a sixth of what OpenSSL 3.0's code takes. One
/// direction of one connection; no I/O; belongs to one thread at a time. Only what TLS uses: nonces of 12 bytes, tags
/// of
/// 16. Whoever uses it compares tags in constant time, and never uses a nonce twice with one key to encrypt.
class AesGcm {
 public:
  static constexpr std::size_t nonce_bytes = 12;
  static constexpr std::size_t tag_bytes = 16;
  using Nonce = std::span<const unsigned char, nonce_bytes>;
  using Tag = std::array<unsigned char, tag_bytes>;

  /// This build has the library, and this processor the instructions. If not, nothing else here may be called.
  static bool is_available();

  AesGcm();
  ~AesGcm();
  AesGcm(const AesGcm&) = delete;
  AesGcm& operator=(const AesGcm&) = delete;

  /// `key`: 16 or 32 bytes.
  void set_key(std::span<const unsigned char> key);
  /// Begins a message. Then any number of `encrypt` (or of `decrypt`), then `finish`.
  void start(Nonce nonce, std::span<const unsigned char> additional_data);
  /// `out`: as many bytes as `in`, which may be the same.
  void encrypt(unsigned char* out, std::span<const unsigned char> in);
  void decrypt(unsigned char* out, std::span<const unsigned char> in);
  /// The tag of what was encrypted, or the one that what was decrypted should have.
  [[nodiscard]] Tag finish_encrypting();
  [[nodiscard]] Tag finish_decrypting();

 private:
  struct State;

  std::unique_ptr<State> state_;
};

}  // namespace marketprism::net
