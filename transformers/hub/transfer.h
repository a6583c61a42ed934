#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "transformers/hub/cache.h"
#include "transformers/hub/http.h"

namespace transformers::hub {

/// How large files are fetched.
struct TransferTuning {
  int connections = 4;                              // side by side, each asking for a range
  int64_t parallel_from_bytes = int64_t{32} << 20;  // smaller files come in one piece
  int64_t segment_bytes = int64_t{16} << 20;        // of one request
};

/// What is fetched.
struct BlobSource {
  std::string url = {};   // at the Hub, which may redirect
  std::string name = {};  // for messages and progress
  FileInfo info = {};
};

/// Fetches a blob into its place in the cache: by ranges side by side when it is large, going on where an earlier call
/// or process stopped, tried again as the client's policy says. Size and hash are checked before the file gets its
/// name. Throws HubError for a wrong content or answer, ConnectionError, OSError.
void fetch_blob(HttpClient& client, const BlobSource& source, const std::filesystem::path& blob,
                const TransferTuning& tuning);

/// True for the text that git keeps in the place of an LFS object.
[[nodiscard]] bool is_lfs_pointer(std::string_view text);

}  // namespace transformers::hub
