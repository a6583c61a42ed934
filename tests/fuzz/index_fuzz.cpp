#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "input_folder.h"
#include "transformers/base/error.h"
#include "transformers/checkpoint/flax.h"
#include "transformers/checkpoint/keras_h5.h"
#include "transformers/checkpoint/pickle.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/checkpoint/verify.h"

namespace {

using namespace transformers;

// What an index can name: shards that share a key, of several formats, and a file without weights.
class Shards : public fuzz::InputFolder {
 public:
  Shards() {
    add(safetensors_format, "a.safetensors", {"x", "y.weight"});
    add(safetensors_format, "b.safetensors", {"y.weight", "z"});
    add(pytorch_format, "c.bin", {"x", "u"});
    add(keras_format, "d.h5", {"m/dense/kernel:0"});
    add(flax_format, "e.msgpack", {"dense.kernel"});
    static_cast<void>(write("f.txt", "no weights"));
  }

 private:
  void add(const CheckpointFormat& format, std::string_view name, std::initializer_list<const char*> keys) const {
    const auto bytes = [] { return SharedBytes{.bytes = std::as_bytes(std::span("1234567"))}; };
    std::vector<CheckpointWriteEntry> entries;
    for (const auto* key : keys) entries.push_back({.name = key, .shape = {2}, .bytes = bytes});
    format.write(path() / name, entries, Json::object());
  }
};

void read_all(const std::filesystem::path& index) {
  const auto reader = open_checkpoint(index);
  for (const auto& entry : reader->entries()) {
    if (reader->find(entry.name) != &entry || reader->bytes(entry).bytes.size() != entry.size_bytes) std::abort();
    static_cast<void>(reader->verify(entry));
    for (const auto advice : {Advice::WillNeed, Advice::Release, Advice::Evict}) reader->advise(entry, advice);
  }
  static_cast<void>(reader->metadata().dump());
}

}  // namespace

// The index of a sharded checkpoint, opened and held against its shards. Those are always the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Shards folder;
  const auto index = folder.write("model.safetensors.index.json", {reinterpret_cast<const char*>(data), size});
  try {
    read_all(index);
  } catch (const ValueError&) {
  } catch (const OSError&) {
  }
  try {
    static_cast<void>(verify_checkpoint(folder.path()));
  } catch (const OSError&) {
  }
  return 0;
}
