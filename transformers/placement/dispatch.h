#pragma once

#include <memory>
#include <string>
#include <vector>

#include "transformers/nn/module.h"
#include "transformers/placement/device_map.h"
#include "transformers/placement/weight_store.h"

namespace transformers {

struct DispatchOptions {
  std::vector<std::string> no_split = {};  // classes whose weights are fetched as one
  bool offload_buffers = false;            // buffers of offloaded modules are fetched too, instead of staying
};

/// A model whose modules live on several devices, or partly in memory or on disk while others compute. While it stands,
/// every placed module moves its inputs to its device before it is called, offloaded modules fetch their weights before
/// and drop them after, the pages of the next one are asked for meanwhile, and the model's outputs return to the device
/// of its inputs. Only for inference where weights are offloaded. Calls must not overlap while weights are offloaded.
class Dispatch {
 public:
  /// Adds the hooks. Tensors must already lie where `map` says; those in `weights` stand on meta in the model.
  Dispatch(torch::nn::Module& model, const DeviceMap& map, std::shared_ptr<const WeightStore> weights,
           const DispatchOptions& options);
  ~Dispatch();
  Dispatch(const Dispatch&) = delete;
  Dispatch& operator=(const Dispatch&) = delete;

  /// Takes the hooks away; modules then run as if they had never been placed.
  void remove();
  [[nodiscard]] const WeightStore& weights() const { return *weights_; }
  /// The device that computes what is offloaded, and that inputs are expected on.
  [[nodiscard]] at::Device main_device() const { return main_device_; }

 private:
  torch::nn::Module& model_;
  std::shared_ptr<const WeightStore> weights_;
  at::Device main_device_;
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, std::shared_ptr<nn::Hook>>> hooks_;
  std::shared_ptr<nn::Hook> root_hook_;
};

/// Where the modules of `map` compute: the first accelerator, else the CPU.
[[nodiscard]] at::Device main_device(const DeviceMap& map);

/// True when what `map` places on `device` is fetched for each call: "disk" always, "cpu" where something else
/// computes.
[[nodiscard]] bool is_offloaded(const DeviceMap& map, const Device& device);

}  // namespace transformers
