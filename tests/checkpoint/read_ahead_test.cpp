#include "transformers/checkpoint/read_ahead.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "support.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/checkpoint/sharded_writer.h"

namespace transformers {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;

// Takes the file out of the system's cache; false where the file system keeps it all the same (one in memory does).
bool drop_from_cache(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  (void)::fsync(descriptor);
  const bool is_asked = ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0;
  ::close(descriptor);
  return is_asked;
}

// The pages of `bytes` that are in memory, of all.
double resident_share(std::span<const std::byte> bytes) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) / page * page;
  const auto size = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) - begin;
  std::vector<unsigned char> pages((size + page - 1) / page);
  EXPECT_EQ(::mincore(reinterpret_cast<void*>(begin), size, pages.data()), 0);
  return static_cast<double>(std::count_if(pages.begin(), pages.end(), [](auto p) { return p & 1; })) /
         static_cast<double>(pages.size());
}

fs::path two_shards(const fs::path& folder) {
  constexpr size_t kElements = 1 << 20;
  std::vector<CheckpointWriteEntry> entries;
  for (int i = 0; i < 4; ++i) {
    const auto values = std::make_shared<std::vector<float>>(kElements, static_cast<float>(i));
    entries.push_back({.name = str("t", i), .shape = {int64_t{kElements}}, .bytes = [values] {
                         return SharedBytes{std::as_bytes(std::span(*values)), values};
                       }});
  }
  FileTransaction transaction(folder);
  (void)write_checkpoint(transaction, write_safetensors, entries, {.max_shard_size = "9MB"});
  transaction.commit();
  return folder / "model.safetensors.index.json";
}

TEST(ReadAhead, BringsEveryEntryIntoMemory) {  // L03
  const TemporaryFolder folder;
  const std::shared_ptr<const CheckpointReader> reader = open_checkpoint(two_shards(folder.path()));
  for (const auto& file : reader->files())
    if (!drop_from_cache(file)) GTEST_SKIP() << "this file system cannot drop a file from memory";
  std::vector<const CheckpointEntry*> entries;
  for (const auto& entry : reader->entries()) entries.push_back(&entry);
  const auto is_resident = [&](const CheckpointEntry* entry) {
    return resident_share(reader->bytes(*entry).bytes) == 1;
  };
  const ReadAhead reading(reader, entries);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!std::all_of(entries.begin(), entries.end(), is_resident) && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  for (const auto* entry : entries) EXPECT_TRUE(is_resident(entry)) << entry->name;
}

TEST(ReadAhead, EndsWithItsOwner) {
  const TemporaryFolder folder;
  const std::shared_ptr<const CheckpointReader> reader = open_checkpoint(two_shards(folder.path()));
  { const ReadAhead reading(reader, std::vector<const CheckpointEntry*>(1 << 20, &reader->entries().front())); }
  EXPECT_EQ(reader.use_count(), 1);
}

}  // namespace
}  // namespace transformers
