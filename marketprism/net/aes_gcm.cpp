#include "marketprism/net/aes_gcm.hpp"

#include <cassert>

#if MARKETPRISM_HAS_IPSEC_MB
#include <intel-ipsec-mb.h>

#include <openssl/crypto.h>

namespace marketprism::net {
namespace {

// The library's table of functions for this processor; null if the instructions are missing. Never freed: connections
// may outlive statics. Its functions touch only what they are given, so that all threads share it.
const IMB_MGR* find_functions() {
  static const IMB_MGR* const functions = []() -> const IMB_MGR* {
    constexpr std::uint64_t needed = IMB_CPUFLAGS_AVX512_T2;
    IMB_MGR* made = alloc_mb_mgr(0);
    if (made == nullptr) return nullptr;
    if ((made->features & needed) == needed) {
      init_mb_mgr_avx512(made);  // tests itself
      if (imb_get_errno(made) == 0) return made;
    }
    free_mb_mgr(made);
    return nullptr;
  }();
  return functions;
}

}  // namespace

struct AesGcm::State {
  gcm_key_data key;
  gcm_context_data message;
  const IMB_MGR* functions = find_functions();
  bool has_256_bits = false;
};

bool AesGcm::is_available() { return find_functions() != nullptr; }

AesGcm::AesGcm() : state_(std::make_unique<State>()) {}

AesGcm::~AesGcm() {
  OPENSSL_cleanse(&state_->key, sizeof state_->key);
  OPENSSL_cleanse(&state_->message, sizeof state_->message);
}

void AesGcm::set_key(std::span<const unsigned char> key) {
  assert(key.size() == 16 || key.size() == 32);
  State& s = *state_;
  s.has_256_bits = key.size() == 32;
  (s.has_256_bits ? s.functions->gcm256_pre : s.functions->gcm128_pre)(key.data(), &s.key);
}

void AesGcm::start(Nonce nonce, std::span<const unsigned char> additional_data) {
  State& s = *state_;
  (s.has_256_bits ? s.functions->gcm256_init : s.functions->gcm128_init)(
      &s.key, &s.message, nonce.data(), additional_data.data(), additional_data.size());
}

void AesGcm::encrypt(unsigned char* out, std::span<const unsigned char> in) {
  State& s = *state_;
  if (in.empty()) return;  // the library takes no empty span
  const auto update = s.has_256_bits ? s.functions->gcm256_enc_update : s.functions->gcm128_enc_update;
  update(&s.key, &s.message, out, in.data(), in.size());
}

void AesGcm::decrypt(unsigned char* out, std::span<const unsigned char> in) {
  State& s = *state_;
  if (in.empty()) return;
  const auto update = s.has_256_bits ? s.functions->gcm256_dec_update : s.functions->gcm128_dec_update;
  update(&s.key, &s.message, out, in.data(), in.size());
}

AesGcm::Tag AesGcm::finish_encrypting() {
  State& s = *state_;
  Tag tag{};
  const auto finish = s.has_256_bits ? s.functions->gcm256_enc_finalize : s.functions->gcm128_enc_finalize;
  finish(&s.key, &s.message, tag.data(), tag.size());
  return tag;
}

AesGcm::Tag AesGcm::finish_decrypting() {
  State& s = *state_;
  Tag tag{};
  const auto finish = s.has_256_bits ? s.functions->gcm256_dec_finalize : s.functions->gcm128_dec_finalize;
  finish(&s.key, &s.message, tag.data(), tag.size());
  return tag;
}

}  // namespace marketprism::net

#else  // without the library

namespace marketprism::net {

struct AesGcm::State {};

bool AesGcm::is_available() { return false; }
AesGcm::AesGcm() { assert(!"check is_available() first"); }
AesGcm::~AesGcm() = default;
void AesGcm::set_key(std::span<const unsigned char>) {}
void AesGcm::start(Nonce, std::span<const unsigned char>) {}
void AesGcm::encrypt(unsigned char*, std::span<const unsigned char>) {}
void AesGcm::decrypt(unsigned char*, std::span<const unsigned char>) {}
AesGcm::Tag AesGcm::finish_encrypting() { return {}; }
AesGcm::Tag AesGcm::finish_decrypting() { return {}; }

}  // namespace marketprism::net
#endif
