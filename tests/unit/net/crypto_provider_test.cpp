#include "marketprism/net/crypto_provider.hpp"

#include <string>
#include <tuple>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

#include "marketprism/base/random.hpp"
#include "tests/unit/net/tls_pair.hpp"

namespace marketprism::net {
namespace {

std::string provider_of(const CryptoLibrary& library, const char* cipher) {
  EVP_CIPHER* fetched = EVP_CIPHER_fetch(library.context, cipher, library.properties);
  std::string name = fetched == nullptr ? "none" : OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(fetched));
  EVP_CIPHER_free(fetched);
  return name;
}

class CryptoProviderTest : public testing::Test {
 protected:
  void SetUp() override {
    if (vector_crypto().context == nullptr) GTEST_SKIP() << "AES-GCM is OpenSSL's here";
  }
};

TEST_F(CryptoProviderTest, gives_aes_gcm_and_leaves_the_rest_and_the_process_to_openssl) {
  for (const char* cipher : {"id-aes128-GCM", "AES-256-GCM"}) {
    EXPECT_EQ(provider_of(vector_crypto(), cipher), "marketprism");
    EXPECT_EQ(provider_of({}, cipher), "default");
  }
  EXPECT_EQ(provider_of(vector_crypto(), "AES-256-CBC"), "default");
  EXPECT_EQ(provider_of(vector_crypto(), "ChaCha20-Poly1305"), "default");
}

// What is asked of a cipher in the wrong order or with the wrong sizes.
TEST_F(CryptoProviderTest, refuses_misuse) {
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(vector_crypto().context, "AES-128-GCM", vector_crypto().properties);
  ASSERT_NE(cipher, nullptr);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  unsigned char bytes[64] = {};
  unsigned char out[64] = {};
  int written = 0;
  ASSERT_EQ(EVP_EncryptInit_ex2(context, cipher, nullptr, nullptr, nullptr), 1);
  EXPECT_NE(EVP_EncryptUpdate(context, out, &written, bytes, 16), 1) << "no key";
  EXPECT_NE(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, 16, nullptr), 1);
  ASSERT_EQ(EVP_EncryptInit_ex2(context, nullptr, bytes, nullptr, nullptr), 1);
  EXPECT_NE(EVP_EncryptUpdate(context, out, &written, bytes, 16), 1) << "no nonce";
  ASSERT_EQ(EVP_EncryptInit_ex2(context, nullptr, nullptr, bytes, nullptr), 1);
  EXPECT_NE(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, bytes), 1) << "a tag to encrypt";
  EXPECT_EQ(EVP_EncryptUpdate(context, nullptr, &written, bytes, 20), 1);
  EXPECT_NE(EVP_EncryptUpdate(context, nullptr, &written, bytes, 20), 1) << "more additional data than fits";
  EXPECT_EQ(EVP_EncryptUpdate(context, out, &written, bytes, 16), 1);
  EXPECT_NE(EVP_EncryptUpdate(context, nullptr, &written, bytes, 1), 1) << "additional data after the text";
  EXPECT_EQ(EVP_EncryptFinal_ex(context, out, &written), 1);
  EXPECT_NE(EVP_EncryptUpdate(context, out, &written, bytes, 16), 1) << "a nonce twice";
  EXPECT_NE(EVP_EncryptFinal_ex(context, out, &written), 1);
  // To decrypt, a tag has to be given, and the right one.
  ASSERT_EQ(EVP_DecryptInit_ex2(context, nullptr, bytes, bytes, nullptr), 1);
  EXPECT_EQ(EVP_DecryptUpdate(context, out, &written, bytes, 16), 1);
  EXPECT_NE(EVP_DecryptFinal_ex(context, out, &written), 1) << "no tag";
  EXPECT_NE(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 12, bytes), 1) << "a short tag";
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, bytes), 1);
  EXPECT_NE(EVP_DecryptFinal_ex(context, out, &written), 1) << "the wrong tag";
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(cipher);
}

// TLS version, cipher, whether the client and whether the server uses the provider.
using Way = std::tuple<int, const char*, bool, bool>;

class TlsOverProviderTest : public testing::TestWithParam<Way> {
 protected:
  static TlsContextPtr restricted(TlsContextPtr context) {
    const auto [version, cipher, ours_in_client, ours_in_server] = GetParam();
    SSL_CTX_set_max_proto_version(context->native(), version);
    if (version == TLS1_3_VERSION) {
      EXPECT_EQ(SSL_CTX_set_ciphersuites(context->native(), cipher), 1);
    } else {
      EXPECT_EQ(SSL_CTX_set_cipher_list(context->native(), cipher), 1);
    }
    return context;
  }
  static TlsContextPtr client() {
    TlsClientOptions options;
    options.use_system_authorities = false;
    options.ca_pem = certificates().ca_pem;
    options.use_vector_aes = std::get<2>(GetParam());
    return restricted(TlsContext::make_client(options).value());
  }
  static TlsContextPtr server() {
    TlsServerOptions options = certificates().server_options();
    options.use_vector_aes = std::get<3>(GetParam());
    return restricted(TlsContext::make_server(options).value());
  }
};

TEST_P(TlsOverProviderTest, carries_messages_of_all_sizes) {
  Pair pair(client(), server());
  ASSERT_TRUE(pair.shake_hands()) << (pair.failure ? pair.failure->message : "");
  EXPECT_EQ(pair.client.cipher(), std::get<1>(GetParam()));
  Random random(3);
  for (std::size_t round = 0; round < 300; ++round) {
    const std::string question(1 + (round < 150 ? round : random.below(40'000)), static_cast<char>('a' + round % 26));
    const std::string answer(1 + random.below(500), static_cast<char>('A' + round % 26));
    ASSERT_TRUE(pair.client.write(question));
    ASSERT_TRUE(pair.server.write(answer));
    pair.carry();
    ASSERT_EQ(read_all(pair.server), question);
    ASSERT_EQ(read_all(pair.client), answer);
  }
}

TEST_P(TlsOverProviderTest, takes_no_changed_byte_for_data) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    Pair pair(client(), server());
    ASSERT_TRUE(pair.shake_hands());
    pair.carry();
    read_all(pair.client);
    ASSERT_TRUE(pair.server.write(std::string(1 + random.below(2000), 'x')));
    std::string bytes = std::exchange(pair.server.outgoing(), "");
    bytes[5 + random.below(bytes.size() - 5)] ^= static_cast<char>(1 + random.below(255));
    give(pair.client, bytes);
    std::array<std::byte, 4000> buffer;
    const auto count = pair.client.read(buffer);
    ASSERT_FALSE(count) << "seed " << seed;
    EXPECT_EQ(count.error().code, ErrorCode::tls_failed);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TlsOverProviderTest,
                         testing::Combine(testing::Values(TLS1_3_VERSION),
                                          testing::Values("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"),
                                          testing::Bool(), testing::Bool()));
INSTANTIATE_TEST_SUITE_P(Tls12, TlsOverProviderTest,
                         testing::Combine(testing::Values(TLS1_2_VERSION),
                                          testing::Values("ECDHE-ECDSA-AES128-GCM-SHA256",
                                                          "ECDHE-ECDSA-AES256-GCM-SHA384"),
                                          testing::Bool(), testing::Bool()));

}  // namespace
}  // namespace marketprism::net
