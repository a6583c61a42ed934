#include "tests/hub/server/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace transformers::hub_tests {

namespace {

void expect(bool is_done) {
  if (!is_done) throw std::runtime_error("no certificate for the test server");
}

void add_extension(X509* certificate, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value), X509_EXTENSION_free);
  expect(extension && X509_add_ext(certificate, extension.get(), -1) == 1);
}

}  // namespace

TlsIdentity make_identity() {
  TlsIdentity identity{.x509 = {X509_new(), X509_free}, .key = {EVP_EC_gen("P-256"), EVP_PKEY_free}};
  auto* const certificate = identity.x509.get();
  expect(certificate && identity.key);
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600);
  X509_set_pubkey(certificate, identity.key.get());
  auto* const name = X509_get_subject_name(certificate);
  const std::string common = "test hub";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common.data()), -1, -1,
                             0);
  X509_set_issuer_name(certificate, name);
  add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate, NID_subject_alt_name, "IP:127.0.0.1");
  expect(X509_sign(certificate, identity.key.get(), EVP_sha256()) > 0);
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), BIO_free);
  expect(PEM_write_bio_X509(text.get(), certificate) == 1);
  char* bytes = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &bytes);
  identity.certificate.assign(bytes, static_cast<size_t>(size));
  return identity;
}

std::unique_ptr<httplib::Server> make_server(const std::optional<TlsIdentity>& identity) {
  if (!identity) return std::make_unique<httplib::Server>();
  return std::make_unique<httplib::SSLServer>(identity->x509.get(), identity->key.get());
}

}  // namespace transformers::hub_tests
