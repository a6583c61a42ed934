#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "tests/hub/server/hub_server.h"
#include "transformers/base/files.h"
#include "transformers/hub/repository.h"

namespace transformers::hub_tests {

/// A test Hub, an empty cache, and an environment that names both and nothing else.
struct HubTest : ::testing::Test {
  HubTest() {
    std::string name = (std::filesystem::temp_directory_path() / "hub-XXXXXX").native();
    if (!::mkdtemp(name.data())) throw std::runtime_error("no folder for the test");
    root = name;
    cache = root / "home" / "hub";
    for (const char* variable : {"HF_HUB_CACHE",
                                 "HUGGINGFACE_HUB_CACHE",
                                 "TRANSFORMERS_CACHE",
                                 "HF_TOKEN",
                                 "HUGGING_FACE_HUB_TOKEN",
                                 "HF_TOKEN_PATH",
                                 "HF_HUB_OFFLINE",
                                 "TRANSFORMERS_OFFLINE",
                                 "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                                 "HF_HUB_DISABLE_SYMLINKS",
                                 "HF_HUB_ETAG_TIMEOUT",
                                 "HF_HUB_DOWNLOAD_TIMEOUT",
                                 "HTTP_PROXY",
                                 "http_proxy",
                                 "ALL_PROXY",
                                 "all_proxy",
                                 "XDG_CACHE_HOME",
                                 "REQUESTS_CA_BUNDLE",
                                 "CURL_CA_BUNDLE",
                                 "SSL_CERT_FILE",
                                 "SSL_CERT_DIR"})
      set(variable, nullptr);
    set("HF_HOME", (root / "home").c_str());
    set("HF_ENDPOINT", server.url().c_str());
    options.retry = {.retries = 5, .first_delay_s = 0.001, .longest_delay_s = 0.002};
    options.lock.poll_every_s = 0.005;
  }
  ~HubTest() override {
    for (const auto& [name, value] : old_) value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
  }

  void set(const char* name, const char* value) {
    const char* old = std::getenv(name);
    old_.emplace(name, old ? std::optional<std::string>(old) : std::nullopt);
    value ? ::setenv(name, value, 1) : ::unsetenv(name);
  }

  /// Bytes that look like weights: not compressible, the same in every run.
  static std::string weights(size_t size, unsigned seed = 1) {
    std::mt19937 random(seed);
    std::string bytes(size, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  }
  /// Every file below the cache that is not a finished part of it.
  [[nodiscard]] std::vector<std::string> leftovers() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(cache)) {
      const auto name = entry.path().filename().native();
      if (name.ends_with(".incomplete") || name.ends_with(".tmp")) found.push_back(name);
    }
    return found;
  }
  [[nodiscard]] int count(std::string_view method, std::string_view target) const {
    int found = 0;
    for (const auto& request : server.requests())
      found += request.method == method && request.target.find(target) != std::string::npos;
    return found;
  }

  HubServer server;
  std::filesystem::path root, cache;
  DownloadOptions options;

 private:
  std::map<std::string, std::optional<std::string>> old_;
};

template <class Exception, class Work>
std::string message_of(const Work& work) {
  try {
    work();
  } catch (const Exception& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
    return "";
  }
  ADD_FAILURE() << "no error";
  return "";
}

}  // namespace transformers::hub_tests
