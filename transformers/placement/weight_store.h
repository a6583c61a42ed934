#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/checkpoint/checkpoint.h"

namespace transformers {

/// A weight that lies in a checkpoint file and needs no more than a cast to be the model's.
struct DiskWeight {
  std::shared_ptr<const CheckpointReader> reader = {};
  const CheckpointEntry* entry = nullptr;  // of `reader`
  at::ScalarType dtype = at::kFloat;       // in the model
};

/// Weights that do not stand in a model but are fetched when a module runs: tensors held in memory, and entries of
/// checkpoint files, which are mapped and read in place. Reading is safe from several threads.
class WeightStore {
 public:
  /// Holds `tensor` in CPU memory.
  void hold(const std::string& name, const at::Tensor& tensor);
  void read_in_place(const std::string& name, DiskWeight weight);
  /// `name` is the weight `source`, fetched once for both.
  void alias(const std::string& name, const std::string& source);

  [[nodiscard]] bool contains(const std::string& name) const;
  /// The name under which the weight is kept.
  [[nodiscard]] const std::string& source_of(const std::string& name) const;
  /// The weight on the CPU: a view of the held tensor or of the mapped file where no cast is needed. Throws KeyError.
  [[nodiscard]] at::Tensor load(const std::string& name) const;
  /// Asks the system to read the weight's pages soon; returns at once.
  void prefetch(const std::string& name) const;
  /// Lets go of the weight's pages in this process. The system keeps them in its cache, unless the weight is one of
  /// those that `keep_at_most` leaves no room for.
  void release(const std::string& name) const;
  /// Weights on disk beyond so many bytes are not cached between their uses. Read in turns, more than fits would push
  /// each other out, and all would be read each time.
  void keep_at_most(int64_t size_bytes);

  [[nodiscard]] std::vector<std::string> names() const;
  /// For weights on disk: {"safetensors_file", "weight_name", "dtype"} by name, as `offload_folder/index.json` has it.
  [[nodiscard]] Json index() const;

 private:
  [[nodiscard]] const DiskWeight* on_disk(const std::string& name) const;
  std::unordered_map<std::string, at::Tensor> held_;
  std::unordered_map<std::string, DiskWeight> disk_;
  std::unordered_map<std::string, std::string> aliases_;
  std::unordered_set<std::string> evicted_;
};

}  // namespace transformers
