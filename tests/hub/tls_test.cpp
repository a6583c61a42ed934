// The Hub by HTTPS, with a certificate that nobody knows.
#include <fstream>

#include "tests/hub/hub_test.h"
#include "transformers/hub/download.h"
#include "transformers/hub/upload.h"

namespace transformers {
namespace {

using hub_tests::message_of;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct TlsTest : hub_tests::HubTest {
  TlsTest() : secure({.is_tls = true}), big(weights(300'000)) {
    set("HF_ENDPOINT", secure.url().c_str());
    set("HF_TOKEN", "hf_good");
    secure.add_token("hf_good", "somebody");
    secure.set_part_size(64 << 10);
    secure.commit("org/name", {{"config.json", "{}"}, {"model.safetensors", big}});
    std::ofstream(root / "certificate.pem") << secure.certificate();
    std::ofstream(root / "nonsense.pem") << "no certificate";
    std::filesystem::create_directories(root / "folder");
    std::ofstream(root / "folder" / "other.safetensors") << big << "x";
    upload.retry = options.retry;
  }
  void trust(const char* variable) { set(variable, (root / "certificate.pem").c_str()); }

  hub_tests::HubServer secure;
  std::string big;
  UploadOptions upload;
};

TEST_F(TlsTest, AnUnknownCertificateIsRefused) {
  EXPECT_TRUE(secure.url().starts_with("https://"));
  const auto what = AllOf(HasSubstr("certificate is not trusted"), HasSubstr("SSL_CERT_FILE"));
  EXPECT_THAT(message_of<HubError>([&] { (void)cached_file("org/name", "config.json", options); }), what);
  EXPECT_THAT(message_of<HubError>([&] { (void)upload_folder(root / "folder", "org/new", upload); }), what);
  EXPECT_THAT(secure.requests(), IsEmpty()) << "no token was sent";
}

TEST_F(TlsTest, ACertificateThatIsNamedIsTrusted) {
  for (const char* variable : {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}) {
    SCOPED_TRACE(variable);
    trust(variable);
    options.force_download = true;
    EXPECT_EQ(read_text(cached_file("org/name", "model.safetensors", options).value()), big);
    (void)upload_folder(root / "folder", std::string("org/") + variable, upload);
    EXPECT_EQ(secure.files(std::string("org/") + variable).at("other.safetensors"), big + "x");
    set(variable, nullptr);
  }
}

TEST_F(TlsTest, NoUploadGoesFromHttpsToHttp) {
  trust("SSL_CERT_FILE");
  secure.add_fault(
      {.kind = hub_tests::Fault::Kind::RedirectTo, .method = "PUT", .target = "/part/", .text = server.url() + "/x"});
  EXPECT_THAT(message_of<HubError>([&] { (void)upload_folder(root / "folder", "org/new", upload); }),
              HasSubstr("https to http"));
  EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(TlsTest, CertificatesThatCannotBeReadAreNamed) {
  set("SSL_CERT_FILE", (root / "none.pem").c_str());
  const auto ask = [&] { (void)cached_file("org/name", "config.json", options); };
  EXPECT_THAT(message_of<OSError>(ask), AllOf(HasSubstr("SSL_CERT_FILE"), HasSubstr("none.pem")));
  set("SSL_CERT_FILE", (root / "nonsense.pem").c_str());
  EXPECT_THAT(message_of<HubError>(ask), HasSubstr("nonsense.pem"));
}

}  // namespace
}  // namespace transformers
