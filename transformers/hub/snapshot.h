#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "transformers/hub/options.h"

namespace transformers {

namespace hub {
class Repository;
}  // namespace hub

/// Where a model comes from and how it is looked up.
using SnapshotOptions = DownloadOptions;

/// The files of one model: a folder, a single weights file, or a repository of the Hub at one commit, whose files are
/// fetched into the cache when they are asked for.
struct Snapshot {
  std::string source = {};                  // as the user named it
  std::filesystem::path folder = {};        // holds config.json and its neighbours
  std::filesystem::path weights_file = {};  // the file that was named, or the .gguf that is a folder's only weights
  std::shared_ptr<hub::Repository> remote = {};  // set for a Hub id

  /// Whether there is such a file. Of the Hub: a file of up to 32 MiB is fetched at once, so that it lies in `folder`.
  /// False as well for what cannot be known without the Hub. Throws HubError, OSError when fetching fails.
  [[nodiscard]] bool has(std::string_view file) const;
  /// The file's path, fetched if need be; an index (`….index.json`) brings its shards. A file that does not exist has a
  /// path too. Throws HubError, OSError; OSError for a Git LFS pointer in the file's place.
  [[nodiscard]] std::filesystem::path file(std::string_view name) const;
  /// Fetches what a tokenizer may consist of, as far as it exists.
  void fetch_tokenizer() const;
  /// Fetches the texts that describe the model (.json, .txt, .jinja) and what its tokenizer is made of, in its folder
  /// and those directly in it; indices of shards stay where they are.
  void fetch_texts() const;
  /// Why files could not be looked for on the Hub; empty when they could, and for folders.
  [[nodiscard]] std::string disconnected() const;
};

/// Resolves a folder, a single file, or a Hub id. A folder wins over a Hub id of the same name. Of a Hub id the commit
/// is settled by at most one request. Throws OSError naming what was looked for, and what hub::Repository throws.
[[nodiscard]] Snapshot resolve_snapshot(const std::string& name_or_path, const SnapshotOptions& options = {});

/// The cache folder in force: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, TRANSFORMERS_CACHE, $HF_HOME/hub,
/// $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub.
[[nodiscard]] std::filesystem::path hub_cache_folder();

/// The one `.gguf` file of a folder that holds no other weights; empty when there is none. Throws OSError naming them
/// when there are several.
[[nodiscard]] std::filesystem::path lone_gguf(const std::filesystem::path& folder);

}  // namespace transformers
