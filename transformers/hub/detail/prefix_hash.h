#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

#include "transformers/hub/hash.h"
#include "transformers/hub/partial_file.h"

namespace transformers::hub::detail {

/// Hashes a file while it is still being fetched, in a thread of its own that follows the growing complete start.
class PrefixHash {
 public:
  /// `blob_name` tells which hash is wanted: SHA-256, git's or none.
  PrefixHash(const PartialFile& file, const std::string& blob_name);
  ~PrefixHash();
  PrefixHash(const PrefixHash&) = delete;
  PrefixHash& operator=(const PrefixHash&) = delete;

  /// The file is complete up to here.
  void advance(int64_t prefix_bytes);
  /// What is wrong with the content of the complete file; empty when it is what its name says.
  [[nodiscard]] std::string flaw();

 private:
  void work();
  void hash_up_to(int64_t end);

  const PartialFile& file_;
  std::string name_;
  Sha256 sha256_;
  Sha1 git_, plain_;
  int64_t hashed_ = 0, available_ = 0;
  bool is_over_ = false;
  std::exception_ptr failure_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace transformers::hub::detail
