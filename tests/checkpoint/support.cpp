#include "support.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>
#include <new>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace {

thread_local size_t largest_allocation = 0;

void* counted(size_t size) noexcept {
  if (size > largest_allocation) largest_allocation = size;
  return std::malloc(size == 0 ? 1 : size);
}

void* counted_or_throw(size_t size) {
  void* memory = counted(size);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(size_t size) { return counted_or_throw(size); }
void* operator new[](size_t size) { return counted_or_throw(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace transformers::testing {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "checkpoint-XXXXXX").native();
  if (!::mkdtemp(name.data())) throw OSError(str(name, ": cannot be made"));
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path TemporaryFolder::write(std::string_view name, std::string_view content) const {
  auto file = path_ / std::string(name);
  fs::remove(file);
  std::ofstream(file, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
  return file;
}

AllocationWatch::AllocationWatch() { largest_allocation = 0; }
size_t AllocationWatch::largest() const { return largest_allocation; }

namespace {

// Reads every byte, so that a sanitizer or the kernel would notice one that is not the file's.
void read_all(const CheckpointReader& reader, uint64_t most_bytes) {
  unsigned sum = 0;
  for (const auto& entry : reader.entries()) {
    EXPECT_LE(entry.size_bytes, most_bytes);
    EXPECT_EQ(reader.find(entry.name), &entry);
    EXPECT_EQ(byte_count(entry.dtype, entry.shape), static_cast<int64_t>(entry.size_bytes));
    const auto data = reader.bytes(entry);
    EXPECT_EQ(data.bytes.size(), entry.size_bytes);
    for (const auto byte : data.bytes) sum += static_cast<unsigned>(byte);
  }
  static_cast<void>(std::to_string(sum));
}

// Processor time, so that a busy machine does not fail the test.
double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

Outcome open_hostile(const fs::path& file, size_t most_multiple) {
  const uint64_t file_bytes = fs::file_size(file);
  Outcome outcome;
  const AllocationWatch watch;
  const double begin = thread_seconds();
  try {
    const auto reader = open_checkpoint(file);
    read_all(*reader, std::max<uint64_t>(1, most_multiple / 16) * file_bytes);
  } catch (const OSError& error) {
    outcome = {.was_refused = true, .reason = error.what()};
    EXPECT_NE(outcome.reason.find(file.native()), std::string::npos) << outcome.reason;
    EXPECT_EQ(outcome.reason.find('\n'), std::string::npos) << outcome.reason;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "expected an OSError: " << error.what();
  }
  const double took = thread_seconds() - begin;
  EXPECT_LE(watch.largest(), most_multiple * file_bytes + (64 << 10)) << outcome.reason;
  EXPECT_LT(took, 0.05) << outcome.reason;
  return outcome;
}

fs::path data_file(std::string_view name) {
  return fs::path(TRANSFORMERS_TEST_DATA) / "checkpoint" / std::string(name);
}

std::span<const uint64_t> attack_values() {
  static constexpr uint64_t kValues[] = {uint64_t{1} << 31, uint64_t{1} << 32,       (uint64_t{1} << 42) + 1,
                                         uint64_t{1} << 61, (uint64_t{1} << 63) - 1, uint64_t{1} << 63,
                                         ~uint64_t{0} - 31, ~uint64_t{0} - 7,        ~uint64_t{0}};
  return kValues;
}

std::string little_endian(uint64_t value, size_t width) {
  std::string out;
  for (size_t i = 0; i < width; ++i) out += static_cast<char>(i < sizeof value ? value >> (8 * i) & 255 : 0);
  return out;
}

std::string patched(std::string bytes, size_t at, size_t width, uint64_t value) {
  return bytes.replace(at, width, little_endian(value, width));
}

CheckpointWriteEntry make_entry(std::string name, std::string_view text, DataType dtype) {
  const auto owned = std::make_shared<std::string>(text);
  const auto& type = info(dtype);
  return {.name = std::move(name),
          .dtype = dtype,
          .shape = {static_cast<int64_t>(text.size()) / type.block_bytes * type.block_elements},
          .bytes = [owned] {
            return SharedBytes{std::as_bytes(std::span(*owned)), owned};
          }};
}

std::vector<CheckpointWriteEntry> copy_entries(const CheckpointReader& reader) {
  std::vector<CheckpointWriteEntry> out;
  for (const auto& entry : reader.entries())
    out.push_back({.name = entry.name, .dtype = entry.dtype, .shape = entry.shape, .bytes = [&reader, &entry] {
                     return reader.bytes(entry);
                   }});
  return out;
}

std::vector<CheckpointWriteEntry> reversed_entries(const CheckpointReader& reader) {
  auto entries = copy_entries(reader);
  std::reverse(entries.begin(), entries.end());
  return entries;
}

void expect_one_tensor_at_a_time(const std::function<void(std::span<const CheckpointWriteEntry>)>& write) {
  int alive = 0, most_alive = 0, asked = 0;
  std::vector<CheckpointWriteEntry> entries;
  for (int i = 0; i < 5; ++i) {
    auto entry = make_entry(str("t", i), "abcd", DataType::F32);
    entry.bytes = [&, make = entry.bytes] {
      ++asked;
      most_alive = std::max(most_alive, ++alive);
      auto data = make();
      data.owner = std::shared_ptr<const void>(data.bytes.data(), [&, keep = data.owner](const void*) { --alive; });
      return data;
    };
    entries.push_back(std::move(entry));
  }
  write(entries);
  EXPECT_EQ(asked, 5);
  EXPECT_EQ(most_alive, 1);
  EXPECT_EQ(alive, 0);
}

}  // namespace transformers::testing
