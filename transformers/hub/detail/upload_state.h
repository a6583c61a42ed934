#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/hub/upload_api.h"

namespace transformers::hub::detail {

/// How far the upload of a large object in parts has come, for a later process: a server that is asked again begins a
/// new upload and forgets the parts of the old one, so their addresses and tags are kept, in
/// `$HF_HOME/transformers.cpp/uploads`, a folder that only its owner may enter since the addresses are signed. What
/// cannot be written is done without. Two processes that send the same object by one state send the same bytes.
class UploadState {
 public:
  UploadState(std::string_view endpoint, std::string_view repo, std::string_view oid);

  /// Takes over the addresses and tags that were kept for an object of this size; false when there are none.
  [[nodiscard]] bool load(LfsAction& action, int64_t size_bytes, std::vector<std::string>& tags) const;
  void save(const LfsAction& action, int64_t size_bytes, const std::vector<std::string>& tags) const;
  void remove() const;

 private:
  std::filesystem::path file_;
};

}  // namespace transformers::hub::detail
