#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transformers/checkpoint/checkpoint.h"

namespace transformers::testing {

/// A checkpoint that lies in memory: what a reader says, without a file.
class FakeReader final : public CheckpointReader {
 public:
  Json pairs = Json::object();
  std::vector<CheckpointEntry> tensors = {};
  std::string data = {};                                          // the bytes of every tensor
  mutable std::vector<std::pair<std::string, Advice>> told = {};  // what it was advised, in order

  FakeReader& add(std::string name, std::vector<int64_t> shape = {1}) {
    tensors.push_back({.name = std::move(name), .shape = std::move(shape)});
    return *this;
  }

  [[nodiscard]] std::span<const CheckpointEntry> entries() const override { return tensors; }
  [[nodiscard]] const CheckpointEntry* find(std::string_view name) const override {
    for (const auto& entry : tensors)
      if (entry.name == name) return &entry;
    return nullptr;
  }
  [[nodiscard]] SharedBytes bytes(const CheckpointEntry&) const override {
    return {.bytes = std::as_bytes(std::span(data))};
  }
  void advise(const CheckpointEntry& entry, Advice advice) const override { told.emplace_back(entry.name, advice); }
  [[nodiscard]] std::span<const std::filesystem::path> files() const override { return files_; }
  [[nodiscard]] const Json& metadata() const override { return pairs; }
  [[nodiscard]] std::string_view dialect() const override { return "gguf"; }

 private:
  std::vector<std::filesystem::path> files_ = {"fake.gguf"};
};

}  // namespace transformers::testing
