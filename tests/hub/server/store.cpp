#include "tests/hub/server/store.h"

#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/hub/hash.h"

namespace transformers::hub_tests {

namespace {

std::string git_id(std::string_view bytes) {
  hub::Sha1 hash;
  hash.update(hub::git_blob_header(static_cast<int64_t>(bytes.size())));
  hash.update(bytes);
  return hash.hex();
}

StoredFile describe(const std::string& name, StoredFile file) {
  file.is_lfs = is_lfs_file(name, static_cast<int64_t>(file.bytes.size()));
  if (!file.is_lfs) {
    file.git_id = git_id(file.bytes);
    return file;
  }
  hub::Sha256 hash;
  hash.update(file.bytes);
  file.sha256 = hash.hex();
  file.git_id = git_id(
      str("version https://git-lfs.github.com/spec/v1\noid sha256:", file.sha256, "\nsize ", file.bytes.size(), "\n"));
  return file;
}

}  // namespace

std::optional<std::string> StoredRepo::resolve(const std::string& revision) const {
  if (const auto branch = branches.find(revision); branch != branches.end()) return branch->second;
  if (commits.contains(revision)) return revision;
  return std::nullopt;
}

bool is_lfs_file(const std::string& name, int64_t size_bytes) {
  for (const char* ending : {".safetensors", ".bin", ".gguf", ".h5", ".msgpack"})
    if (name.ends_with(ending)) return true;
  return size_bytes > (10 << 20);
}

StoredFile store_regular(std::string text) { return store_text("", std::move(text)); }

StoredFile store_text(const std::string& name, std::string text) {
  const auto owner = std::make_shared<const std::string>(std::move(text));
  return describe(name, {.bytes = *owner, .owner = owner});
}

StoredFile store_file(const std::filesystem::path& path, const std::string& name) {
  const auto mapped = MappedFile::open(path);
  const auto bytes = mapped->bytes();
  return describe(name, {.bytes = {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, .owner = mapped});
}

std::string add_commit(StoredRepo& repo, const std::string& branch, const Files& changed,
                       const std::vector<std::string>& removed, const std::string& salt) {
  Files files;
  hub::Sha1 hash;
  if (const auto parent = repo.branches.find(branch); parent != repo.branches.end()) {
    files = repo.commits[parent->second];
    hash.update(parent->second);
  }
  for (const auto& [name, file] : changed) {
    files[name] = file;
    hash.update(str(name, file.git_id));
  }
  for (const auto& name : removed) {
    files.erase(name);
    hash.update(str("-", name));
  }
  hash.update(salt);
  const auto commit = hash.hex();
  repo.commits[commit] = std::move(files);
  repo.branches[branch] = commit;
  return commit;
}

}  // namespace transformers::hub_tests
