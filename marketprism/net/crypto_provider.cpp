#include "marketprism/net/crypto_provider.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include "marketprism/net/aes_gcm.hpp"

// An OpenSSL provider of AES-GCM for TLS. What each function has to do is described in provider-cipher(7); TLS 1.3 uses
// a cipher by nonce, additional data, text and tag; TLS 1.2 gives whole records, and the nonce's second part travels in
// them (RFC 5288).

namespace marketprism::net {
namespace {

constexpr std::size_t record_header_bytes = EVP_AEAD_TLS1_AAD_LEN;
constexpr std::size_t fixed_nonce_bytes = EVP_GCM_TLS_FIXED_IV_LEN;
constexpr std::size_t explicit_nonce_bytes = EVP_GCM_TLS_EXPLICIT_IV_LEN;
constexpr std::size_t tag_bytes = AesGcm::tag_bytes;
static_assert(fixed_nonce_bytes + explicit_nonce_bytes == AesGcm::nonce_bytes && tag_bytes == EVP_GCM_TLS_TAG_LEN);

// One direction of one TLS connection.
class Cipher {
 public:
  explicit Cipher(std::size_t key_bytes) : key_bytes_(key_bytes) {}
  ~Cipher() { OPENSSL_cleanse(nonce_.data(), nonce_.size()); }
  Cipher(const Cipher&) = delete;
  Cipher& operator=(const Cipher&) = delete;

  bool begin(bool encrypts, const unsigned char* key, std::size_t key_bytes, const unsigned char* nonce,
             std::size_t nonce_bytes, const OSSL_PARAM* params);
  bool update(unsigned char* out, std::size_t* written, std::span<const unsigned char> in);
  bool finish();
  bool set(const OSSL_PARAM* params);
  bool get(OSSL_PARAM* params) const;

 private:
  // A nonce is good for one message: no_nonce until one is given, given until the message has begun.
  enum class Stage : unsigned char { no_nonce, given, in_message };

  void start_message();
  bool set_record_header(std::span<const unsigned char> header);
  bool set_fixed_nonce(std::span<const unsigned char> fixed);
  bool seal_record(unsigned char* record, std::size_t* written, std::size_t size);
  bool open_record(unsigned char* record, std::size_t* written, std::size_t size);

  AesGcm gcm_;
  std::size_t key_bytes_;
  std::array<unsigned char, AesGcm::nonce_bytes> nonce_{};
  std::array<unsigned char, 32> additional_data_{};
  std::size_t additional_data_bytes_ = 0;
  AesGcm::Tag tag_{};
  Stage stage_ = Stage::no_nonce;
  bool encrypts_ = false;
  bool has_key_ = false;
  bool has_tag_ = false;
  bool has_record_header_ = false;  // of TLS 1.2: the next update is that whole record
  bool has_fixed_nonce_ = false;
};

bool Cipher::begin(bool encrypts, const unsigned char* key, std::size_t key_bytes, const unsigned char* nonce,
                   std::size_t nonce_bytes, const OSSL_PARAM* params) {
  encrypts_ = encrypts;
  if (key != nullptr) {
    if (key_bytes != key_bytes_) return false;
    gcm_.set_key({key, key_bytes});
    has_key_ = true;
    has_fixed_nonce_ = false;
  }
  if (nonce != nullptr) {
    if (nonce_bytes != nonce_.size()) return false;
    std::copy_n(nonce, nonce_bytes, nonce_.begin());
    stage_ = Stage::given;
    additional_data_bytes_ = 0;
    has_tag_ = false;
  }
  return set(params);
}

void Cipher::start_message() {
  gcm_.start(nonce_, std::span(additional_data_).first(additional_data_bytes_));
  stage_ = Stage::in_message;
}

bool Cipher::update(unsigned char* out, std::size_t* written, std::span<const unsigned char> in) {
  *written = 0;
  if (!has_key_) return false;
  if (has_record_header_) {
    has_record_header_ = false;
    if (out != in.data() || in.size() < explicit_nonce_bytes + tag_bytes) return false;
    return encrypts_ ? seal_record(out, written, in.size()) : open_record(out, written, in.size());
  }
  if (stage_ == Stage::no_nonce) return false;
  if (out == nullptr) {
    // The cipher takes additional data only in one piece, before the text.
    if (stage_ != Stage::given || in.size() > additional_data_.size() - additional_data_bytes_) return false;
    std::ranges::copy(in, additional_data_.begin() + static_cast<std::ptrdiff_t>(additional_data_bytes_));
    additional_data_bytes_ += in.size();
  } else {
    if (stage_ == Stage::given) start_message();
    if (encrypts_) {
      gcm_.encrypt(out, in);
    } else {
      gcm_.decrypt(out, in);
    }
  }
  *written = in.size();
  return true;
}

bool Cipher::finish() {
  if (!has_key_ || stage_ == Stage::no_nonce || (!encrypts_ && !has_tag_)) return false;
  if (stage_ == Stage::given) start_message();
  stage_ = Stage::no_nonce;
  if (encrypts_) {
    tag_ = gcm_.finish_encrypting();
    has_tag_ = true;
    return true;
  }
  has_tag_ = false;
  const AesGcm::Tag expected = gcm_.finish_decrypting();
  return CRYPTO_memcmp(expected.data(), tag_.data(), tag_.size()) == 0;
}

// The header of a TLS 1.2 record; its length counts what the record has beyond the text.
bool Cipher::set_record_header(std::span<const unsigned char> header) {
  if (header.size() != record_header_bytes) return false;
  std::ranges::copy(header, additional_data_.begin());
  additional_data_bytes_ = header.size();
  unsigned char* length = additional_data_.data() + record_header_bytes - 2;
  const std::size_t beyond = explicit_nonce_bytes + (encrypts_ ? 0 : tag_bytes);
  std::size_t size = std::size_t{length[0]} << 8 | length[1];
  if (size < beyond) return false;
  size -= beyond;
  length[0] = static_cast<unsigned char>(size >> 8);
  length[1] = static_cast<unsigned char>(size & 0xff);
  has_record_header_ = true;
  return true;
}

bool Cipher::set_fixed_nonce(std::span<const unsigned char> fixed) {
  if (fixed.size() != fixed_nonce_bytes) return false;
  std::ranges::copy(fixed, nonce_.begin());
  // The explicit part starts anywhere and counts on.
  if (encrypts_ && RAND_bytes(nonce_.data() + fixed_nonce_bytes, explicit_nonce_bytes) != 1) return false;
  has_fixed_nonce_ = true;
  return true;
}

bool Cipher::seal_record(unsigned char* record, std::size_t* written, std::size_t size) {
  if (!has_fixed_nonce_) return false;
  std::copy_n(nonce_.data() + fixed_nonce_bytes, explicit_nonce_bytes, record);
  unsigned char* text = record + explicit_nonce_bytes;
  const std::size_t text_bytes = size - explicit_nonce_bytes - tag_bytes;
  start_message();
  gcm_.encrypt(text, {text, text_bytes});
  const AesGcm::Tag tag = gcm_.finish_encrypting();
  std::ranges::copy(tag, text + text_bytes);
  for (std::size_t i = nonce_.size() - 1; i >= fixed_nonce_bytes; --i) {
    ++nonce_[i];
    if (nonce_[i] != 0) break;  // no carry
  }
  stage_ = Stage::no_nonce;
  *written = size;
  return true;
}

bool Cipher::open_record(unsigned char* record, std::size_t* written, std::size_t size) {
  if (!has_fixed_nonce_) return false;
  std::copy_n(record, explicit_nonce_bytes, nonce_.data() + fixed_nonce_bytes);
  unsigned char* text = record + explicit_nonce_bytes;
  const std::size_t text_bytes = size - explicit_nonce_bytes - tag_bytes;
  start_message();
  gcm_.decrypt(text, {text, text_bytes});
  const AesGcm::Tag expected = gcm_.finish_decrypting();
  stage_ = Stage::no_nonce;
  if (CRYPTO_memcmp(expected.data(), text + text_bytes, tag_bytes) != 0) {
    OPENSSL_cleanse(text, text_bytes);
    return false;
  }
  *written = text_bytes;
  return true;
}

std::span<const unsigned char> octets(const OSSL_PARAM& param) {
  if (param.data_type != OSSL_PARAM_OCTET_STRING || param.data == nullptr) return {};
  return {static_cast<const unsigned char*>(param.data), param.data_size};
}

bool Cipher::set(const OSSL_PARAM* params) {
  for (const OSSL_PARAM* param = params; param != nullptr && param->key != nullptr; ++param) {
    const std::string_view key = param->key;
    std::size_t size = 0;
    if (key == OSSL_CIPHER_PARAM_AEAD_TAG) {
      const auto tag = octets(*param);
      if (encrypts_ || tag.size() != tag_.size()) return false;
      std::ranges::copy(tag, tag_.begin());
      has_tag_ = true;
    } else if (key == OSSL_CIPHER_PARAM_AEAD_IVLEN) {
      if (OSSL_PARAM_get_size_t(param, &size) != 1 || size != nonce_.size()) return false;
    } else if (key == OSSL_CIPHER_PARAM_KEYLEN) {
      if (OSSL_PARAM_get_size_t(param, &size) != 1 || size != key_bytes_) return false;
    } else if (key == OSSL_CIPHER_PARAM_AEAD_TLS1_AAD) {
      if (!set_record_header(octets(*param))) return false;
    } else if (key == OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED) {
      if (!set_fixed_nonce(octets(*param))) return false;
    }
  }
  return true;
}

bool Cipher::get(OSSL_PARAM* params) const {
  for (OSSL_PARAM* param = params; param != nullptr && param->key != nullptr; ++param) {
    const std::string_view key = param->key;
    int is_set = 1;
    if (key == OSSL_CIPHER_PARAM_AEAD_IVLEN) {
      is_set = OSSL_PARAM_set_size_t(param, nonce_.size());
    } else if (key == OSSL_CIPHER_PARAM_KEYLEN) {
      is_set = OSSL_PARAM_set_size_t(param, key_bytes_);
    } else if (key == OSSL_CIPHER_PARAM_AEAD_TAGLEN || key == OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD) {
      is_set = OSSL_PARAM_set_size_t(param, tag_.size());
    } else if (key == OSSL_CIPHER_PARAM_AEAD_TAG) {
      is_set = encrypts_ && has_tag_ && OSSL_PARAM_set_octet_string(param, tag_.data(), tag_.size()) == 1 ? 1 : 0;
    }
    if (is_set != 1) return false;
  }
  return true;
}

// From here on: the C functions that OpenSSL calls.

template <std::size_t key_bytes>
void* new_cipher(void*) {
  return new (std::nothrow) Cipher(key_bytes);
}

void free_cipher(void* cipher) { delete static_cast<Cipher*>(cipher); }

template <bool encrypts>
int begin(void* cipher, const unsigned char* key, std::size_t key_bytes, const unsigned char* nonce,
          std::size_t nonce_bytes, const OSSL_PARAM* params) {
  return static_cast<Cipher*>(cipher)->begin(encrypts, key, key_bytes, nonce, nonce_bytes, params) ? 1 : 0;
}

int update(void* cipher, unsigned char* out, std::size_t* written, std::size_t room, const unsigned char* in,
           std::size_t size) {
  if (out != nullptr && room < size) return 0;
  return static_cast<Cipher*>(cipher)->update(out, written, {in, size}) ? 1 : 0;
}

int finish(void* cipher, unsigned char*, std::size_t* written, std::size_t) {
  *written = 0;
  return static_cast<Cipher*>(cipher)->finish() ? 1 : 0;
}

int set_cipher_params(void* cipher, const OSSL_PARAM* params) {
  return static_cast<Cipher*>(cipher)->set(params) ? 1 : 0;
}
int get_cipher_params(void* cipher, OSSL_PARAM* params) { return static_cast<Cipher*>(cipher)->get(params) ? 1 : 0; }

template <std::size_t key_bytes>
int get_params(OSSL_PARAM* params) {
  for (OSSL_PARAM* param = params; param->key != nullptr; ++param) {
    const std::string_view key = param->key;
    int is_set = 1;
    if (key == OSSL_CIPHER_PARAM_MODE) is_set = OSSL_PARAM_set_uint(param, EVP_CIPH_GCM_MODE);
    if (key == OSSL_CIPHER_PARAM_BLOCK_SIZE) is_set = OSSL_PARAM_set_size_t(param, 1);
    if (key == OSSL_CIPHER_PARAM_KEYLEN) is_set = OSSL_PARAM_set_size_t(param, key_bytes);
    if (key == OSSL_CIPHER_PARAM_IVLEN) is_set = OSSL_PARAM_set_size_t(param, AesGcm::nonce_bytes);
    if (key == OSSL_CIPHER_PARAM_AEAD || key == OSSL_CIPHER_PARAM_CUSTOM_IV) is_set = OSSL_PARAM_set_int(param, 1);
    if (is_set != 1) return 0;
  }
  return 1;
}

const OSSL_PARAM* gettable_params(void*) {
  static constexpr OSSL_PARAM list[] = {OSSL_PARAM_uint(OSSL_CIPHER_PARAM_MODE, nullptr),
                                        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_BLOCK_SIZE, nullptr),
                                        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, nullptr),
                                        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, nullptr),
                                        OSSL_PARAM_int(OSSL_CIPHER_PARAM_AEAD, nullptr),
                                        OSSL_PARAM_int(OSSL_CIPHER_PARAM_CUSTOM_IV, nullptr),
                                        OSSL_PARAM_END};
  return list;
}

const OSSL_PARAM* gettable_cipher_params(void*, void*) {
  static constexpr OSSL_PARAM list[] = {OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, nullptr),
                                        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, nullptr),
                                        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, nullptr),
                                        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, nullptr, 0),
                                        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, nullptr),
                                        OSSL_PARAM_END};
  return list;
}

const OSSL_PARAM* settable_cipher_params(void*, void*) {
  static constexpr OSSL_PARAM list[] = {OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, nullptr),
                                        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, nullptr),
                                        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, nullptr, 0),
                                        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, nullptr, 0),
                                        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, nullptr, 0),
                                        OSSL_PARAM_END};
  return list;
}

template <typename Function>
OSSL_DISPATCH entry(int id, Function function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

template <std::size_t key_bytes>
const OSSL_DISPATCH* cipher_functions() {
  static const OSSL_DISPATCH list[] = {entry(OSSL_FUNC_CIPHER_NEWCTX, &new_cipher<key_bytes>),
                                       entry(OSSL_FUNC_CIPHER_FREECTX, &free_cipher),
                                       entry(OSSL_FUNC_CIPHER_ENCRYPT_INIT, &begin<true>),
                                       entry(OSSL_FUNC_CIPHER_DECRYPT_INIT, &begin<false>),
                                       entry(OSSL_FUNC_CIPHER_UPDATE, &update),
                                       entry(OSSL_FUNC_CIPHER_FINAL, &finish),
                                       entry(OSSL_FUNC_CIPHER_GET_PARAMS, &get_params<key_bytes>),
                                       entry(OSSL_FUNC_CIPHER_GETTABLE_PARAMS, &gettable_params),
                                       entry(OSSL_FUNC_CIPHER_GET_CTX_PARAMS, &get_cipher_params),
                                       entry(OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, &gettable_cipher_params),
                                       entry(OSSL_FUNC_CIPHER_SET_CTX_PARAMS, &set_cipher_params),
                                       entry(OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, &settable_cipher_params),
                                       {0, nullptr}};
  return list;
}

const OSSL_ALGORITHM* query(void*, int operation, int* no_cache) {
  static const OSSL_ALGORITHM ciphers[] = {
      {"AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", "provider=marketprism", cipher_functions<16>(), nullptr},
      {"AES-256-GCM:id-aes256-GCM:2.16.840.1.101.3.4.1.46", "provider=marketprism", cipher_functions<32>(), nullptr},
      {nullptr, nullptr, nullptr, nullptr}};
  *no_cache = 0;
  return operation == OSSL_OP_CIPHER ? ciphers : nullptr;
}

int start_provider(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** functions, void** context) {
  static const OSSL_DISPATCH list[] = {entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, &query), {0, nullptr}};
  *functions = list;
  *context = nullptr;
  return 1;
}

CryptoLibrary make_vector_crypto() {
  if (!AesGcm::is_available() || EVP_default_properties_is_fips_enabled(nullptr) == 1) return {};
  OSSL_LIB_CTX* context = OSSL_LIB_CTX_new();
  if (context == nullptr) return {};
  if (OSSL_PROVIDER_add_builtin(context, "marketprism", &start_provider) == 1 &&
      OSSL_PROVIDER_load(context, "default") != nullptr && OSSL_PROVIDER_load(context, "marketprism") != nullptr) {
    return {context, "?provider=marketprism"};
  }
  OSSL_LIB_CTX_free(context);
  return {};
}

}  // namespace

CryptoLibrary vector_crypto() {
  static const CryptoLibrary library = make_vector_crypto();
  return library;
}

}  // namespace marketprism::net
