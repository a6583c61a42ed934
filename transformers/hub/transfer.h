#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "transformers/hub/cache.h"
#include "transformers/hub/http.h"
#include "transformers/hub/options.h"

namespace transformers::hub {

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
