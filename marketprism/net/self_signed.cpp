#include "marketprism/net/self_signed.hpp"

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <new>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace marketprism::net {
namespace {

template <auto free>
struct Deleter {
  template <class T>
  void operator()(T* pointer) const {
    free(pointer);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Deleter<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Deleter<BIO_free>>;

KeyPtr make_key() {
  KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) throw std::bad_alloc();
  return key;
}

std::string pem_of(const BioPtr& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string pem_of(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return pem_of(bio);
}

std::string pem_of(EVP_PKEY* key) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return pem_of(bio);
}

void set_name(X509_NAME* name, const char* common_name) {
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
}

Result<> add_extension(X509* certificate, X509* issuer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_nconf_nid(nullptr, &context, id, value.c_str());
  if (extension == nullptr) {
    return fail(ErrorCode::invalid_argument, "cannot put '" + value + "' into a certificate; check the host names",
                true);
  }
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return {};
}

X509Ptr begin_certificate(EVP_PKEY* key, std::chrono::seconds from, std::chrono::seconds until) {
  X509Ptr certificate(X509_new());
  if (certificate == nullptr) throw std::bad_alloc();
  X509_set_version(certificate.get(), X509_VERSION_3);
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), until.count());
  X509_set_pubkey(certificate.get(), key);
  return certificate;
}

std::string alternative_names(const std::vector<std::string>& hosts) {
  std::string text;
  for (const std::string& host : hosts) {
    boost::system::error_code error;
    boost::asio::ip::make_address(host, error);
    text += (text.empty() ? "" : ",") + std::string(error ? "DNS:" : "IP:") + host;
  }
  return text;
}

Result<> write_file(const std::string& path, const std::string& text, mode_t mode) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (file < 0) return std::unexpected(system_error(errno, path));
  const ssize_t written = ::write(file, text.data(), text.size());
  const int problem = written < 0 ? errno : 0;
  ::close(file);
  if (problem != 0) return std::unexpected(system_error(problem, path));
  if (static_cast<std::size_t>(written) != text.size())
    return fail(ErrorCode::storage_full, path + ": written in part");
  return {};
}

}  // namespace

TlsServerOptions SelfSigned::server_options() const {
  TlsServerOptions options;
  options.certificate_pem = certificate_pem;
  options.key_pem = key_pem;
  return options;
}

Result<> SelfSigned::write_files(const std::string& folder) const {
  if (auto written = write_file(folder + "/ca.pem", ca_pem, 0644); !written) return written;
  if (auto written = write_file(folder + "/certificate.pem", certificate_pem, 0644); !written) return written;
  return write_file(folder + "/key.pem", key_pem, 0600);
}

Result<SelfSigned> make_self_signed(const SelfSignedOptions& options) {
  if (options.hosts.empty())
    return fail(ErrorCode::invalid_argument, "a certificate needs at least one host name", true);
  const KeyPtr ca_key = make_key();
  const auto ca_life = std::chrono::hours(24 * 365);
  const X509Ptr ca = begin_certificate(ca_key.get(), -ca_life, ca_life);
  set_name(X509_get_subject_name(ca.get()), "marketprism throw-away authority");
  X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
  auto added = add_extension(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE");
  if (added) added = add_extension(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  if (added) added = add_extension(ca.get(), ca.get(), NID_subject_key_identifier, "hash");
  if (!added) return std::unexpected(std::move(added.error()));
  X509_sign(ca.get(), ca_key.get(), EVP_sha256());

  const KeyPtr key = make_key();
  const X509Ptr certificate = begin_certificate(key.get(), options.valid_from, options.valid_from + options.valid_for);
  set_name(X509_get_subject_name(certificate.get()), "marketprism");
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(ca.get()));
  added = add_extension(certificate.get(), ca.get(), NID_basic_constraints, "critical,CA:FALSE");
  if (added) added = add_extension(certificate.get(), ca.get(), NID_authority_key_identifier, "keyid:always");
  if (added) added = add_extension(certificate.get(), ca.get(), NID_ext_key_usage, "serverAuth");
  if (added) added = add_extension(certificate.get(), ca.get(), NID_subject_alt_name, alternative_names(options.hosts));
  if (!added) return std::unexpected(std::move(added.error()));
  X509_sign(certificate.get(), ca_key.get(), EVP_sha256());

  SelfSigned out;
  out.ca_pem = pem_of(ca.get());
  out.certificate_pem = pem_of(certificate.get()) + out.ca_pem;
  out.key_pem = pem_of(key.get());
  return out;
}

}  // namespace marketprism::net
