#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace transformers {

/// Where a model comes from and how it is looked up; the download arguments of the reference.
struct SnapshotOptions {
  std::string revision = "main";
  std::string subfolder = {};
  std::optional<std::filesystem::path> cache_dir = {};
};

/// The local files of one model: a folder, or a single weights file.
struct Snapshot {
  std::string source = {};            // as the user named it
  std::filesystem::path folder = {};  // holds config.json and its neighbours
  std::filesystem::path weights_file =
      {};  // set when one file was named, or when the folder's only weights are one .gguf
  [[nodiscard]] bool has(std::string_view file) const;
  [[nodiscard]] std::filesystem::path file(std::string_view name) const { return folder / name; }
};

/// Resolves a folder, a single file, or a Hub id that lies in the local cache (the layout of `huggingface_hub`). A
/// folder wins over a Hub id of the same name. Throws OSError naming what was looked for; nothing is downloaded.
[[nodiscard]] Snapshot resolve_snapshot(const std::string& name_or_path, const SnapshotOptions& options = {});

/// The cache folder in force: HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, TRANSFORMERS_CACHE, $HF_HOME/hub,
/// $XDG_CACHE_HOME/huggingface/hub, ~/.cache/huggingface/hub.
[[nodiscard]] std::filesystem::path hub_cache_folder();

/// The one `.gguf` file of a folder that holds no other weights; empty when there is none. Throws OSError naming them
/// when there are several.
[[nodiscard]] std::filesystem::path lone_gguf(const std::filesystem::path& folder);

}  // namespace transformers
