#include "marketprism/net/aes_gcm.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "marketprism/base/random.hpp"

namespace marketprism::net {
namespace {

using Bytes = std::vector<unsigned char>;

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<unsigned char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

Bytes random_bytes(Random& random, std::size_t size) {
  Bytes bytes(size);
  for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random.below(256));
  return bytes;
}

struct Sealed {
  Bytes text;
  AesGcm::Tag tag{};
  bool operator==(const Sealed&) const = default;
};

class AesGcmTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!AesGcm::is_available()) GTEST_SKIP() << "no IPsec Multi-Buffer library, or no VAES in this processor";
  }

  static AesGcm::Nonce nonce_of(const Bytes& bytes) { return AesGcm::Nonce(bytes.data(), AesGcm::nonce_bytes); }
};

TEST_F(AesGcmTest, gives_what_the_specification_of_gcm_gives) {
  // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 4 and 16.
  const Bytes text = from_hex(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
      "ba637b39");
  const Bytes additional = from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const Bytes nonce = from_hex("cafebabefacedbaddecaf888");
  struct Case {
    std::string_view key, sealed, tag;
  };
  for (const Case& c :
       {Case{"feffe9928665731c6d6a8f9467308308",
             "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac"
             "84aa051ba30b396a0aac973d58e091",
             "5bc94fbc3221a5db94fae95ae7121a47"},
        Case{"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
             "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056"
             "828838c5f61e6393ba7a0abcc9f662",
             "76fc6ece0f4e1768cddf8853bb2d551b"}}) {
    AesGcm gcm;
    gcm.set_key(from_hex(c.key));
    gcm.start(nonce_of(nonce), additional);
    Bytes out(text.size());
    gcm.encrypt(out.data(), text);
    const AesGcm::Tag tag = gcm.finish_encrypting();
    EXPECT_EQ(out, from_hex(c.sealed));
    EXPECT_EQ(Bytes(tag.begin(), tag.end()), from_hex(c.tag));
  }
}

Sealed seal_by_openssl(const Bytes& key, const Bytes& nonce, const Bytes& additional, const Bytes& text) {
  Sealed sealed{Bytes(text.size()), {}};
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int written = 0;
  EVP_EncryptInit_ex(context, key.size() == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), nullptr, key.data(),
                     nonce.data());
  EVP_EncryptUpdate(context, nullptr, &written, additional.data(), static_cast<int>(additional.size()));
  EVP_EncryptUpdate(context, sealed.text.data(), &written, text.data(), static_cast<int>(text.size()));
  EVP_EncryptFinal_ex(context, nullptr, &written);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, sealed.tag.data());
  EVP_CIPHER_CTX_free(context);
  return sealed;
}

// In pieces of any size, in place and not.
TEST_F(AesGcmTest, agrees_with_openssl_at_all_sizes) {
  Random random(7);
  AesGcm sealing;
  AesGcm opening;
  for (std::size_t round = 0; round < 3000; ++round) {
    const Bytes key = random_bytes(random, random.chance(0.5) ? 16 : 32);
    const Bytes nonce = random_bytes(random, AesGcm::nonce_bytes);
    const Bytes additional = random_bytes(random, random.below(33));
    const Bytes text = random_bytes(random, round < 1200 ? round : random.below(17'000));
    const Sealed expected = seal_by_openssl(key, nonce, additional, text);

    sealing.set_key(key);
    sealing.start(nonce_of(nonce), additional);
    Sealed sealed{Bytes(text.size()), {}};
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t piece = random.chance(0.5) ? text.size() - at : 1 + random.below(text.size() - at);
      sealing.encrypt(sealed.text.data() + at, std::span(text).subspan(at, piece));
      at += piece;
    }
    sealed.tag = sealing.finish_encrypting();
    ASSERT_EQ(sealed, expected) << "round " << round << ", " << text.size() << " bytes";

    opening.set_key(key);
    opening.start(nonce_of(nonce), additional);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t piece = random.chance(0.5) ? text.size() - at : 1 + random.below(text.size() - at);
      opening.decrypt(sealed.text.data() + at, std::span(sealed.text).subspan(at, piece));
      at += piece;
    }
    ASSERT_EQ(opening.finish_decrypting(), expected.tag) << "round " << round;
    ASSERT_EQ(sealed.text, text) << "round " << round;
  }
}

}  // namespace
}  // namespace marketprism::net
