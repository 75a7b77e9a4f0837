// Opening a TLS record: AesGcm beside OpenSSL, by the size of the record.
#include <array>
#include <vector>

#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include "marketprism/net/aes_gcm.hpp"

namespace marketprism::net {
namespace {

using Bytes = std::vector<unsigned char>;

constexpr std::array<unsigned char, AesGcm::nonce_bytes> nonce{2};
constexpr std::array<unsigned char, 5> header{0x17, 3, 3};
constexpr std::array<unsigned char, 32> key{1};

void ours(benchmark::State& state) {
  if (!AesGcm::is_available()) return state.SkipWithError("no VAES here");
  const Bytes in(static_cast<std::size_t>(state.range(0)));
  Bytes out(in.size());
  AesGcm gcm;
  gcm.set_key(std::span(key).first(16));
  for (auto _ : state) {
    gcm.start(nonce, header);
    gcm.decrypt(out.data(), in);
    benchmark::DoNotOptimize(gcm.finish_decrypting());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void openssl(benchmark::State& state) {
  const Bytes in(static_cast<std::size_t>(state.range(0)));
  Bytes out(in.size());
  AesGcm::Tag tag{};
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_DecryptInit_ex(context, EVP_aes_128_gcm(), nullptr, key.data(), nonce.data());
  int written = 0;
  for (auto _ : state) {
    EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data());
    EVP_DecryptUpdate(context, nullptr, &written, header.data(), static_cast<int>(header.size()));
    EVP_DecryptUpdate(context, out.data(), &written, in.data(), static_cast<int>(in.size()));
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), tag.data());
    benchmark::DoNotOptimize(EVP_DecryptFinal_ex(context, out.data(), &written));
  }
  EVP_CIPHER_CTX_free(context);
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

BENCHMARK(ours)->Name("open_record/ours")->Arg(256)->Arg(1024)->Arg(16384);
BENCHMARK(openssl)->Name("open_record/openssl")->Arg(256)->Arg(1024)->Arg(16384);

}  // namespace
}  // namespace marketprism::net
