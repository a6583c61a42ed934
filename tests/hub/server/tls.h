#pragma once

#include <httplib.h>

#include <memory>
#include <optional>
#include <string>

namespace transformers::hub_tests {

/// A certificate for 127.0.0.1 that nobody signed but itself, and its key.
struct TlsIdentity {
  std::string certificate = {};  // PEM
  std::shared_ptr<X509> x509 = {};
  std::shared_ptr<EVP_PKEY> key = {};
};

[[nodiscard]] TlsIdentity make_identity();
/// Plain HTTP without an identity.
[[nodiscard]] std::unique_ptr<httplib::Server> make_server(const std::optional<TlsIdentity>& identity);

}  // namespace transformers::hub_tests
