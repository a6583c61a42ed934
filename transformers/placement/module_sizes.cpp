#include "transformers/placement/module_sizes.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "transformers/base/strings.h"
#include "transformers/nn/module.h"

namespace transformers {

namespace {

SizedModule measure_one(const torch::nn::Module& module, const std::string& name,
                        const std::set<std::string_view>& tied) {
  SizedModule out{.name = name, .class_name = plain_class_name(module)};
  const auto add = [&](const auto& items, bool is_buffer) {
    for (const auto& item : items) {
      if (!item.value().defined()) continue;
      auto full = dotted(name, item.key());
      const int64_t bytes = tied.contains(full) ? 0 : static_cast<int64_t>(item.value().nbytes());
      out.bytes += bytes;
      out.tensors.push_back({std::move(full), bytes, is_buffer});
    }
  };
  add(module.named_parameters(false), false);
  add(module.named_buffers(false), true);
  for (const auto& child : module.named_children()) {
    out.children.push_back(measure_one(*child.value(), dotted(name, child.key()), tied));
    out.bytes += out.children.back().bytes;
  }
  return out;
}

}  // namespace

std::string plain_class_name(const torch::nn::Module& module) {
  const std::string& name = module.name();
  const auto colon = name.rfind(':');
  return colon == std::string::npos ? name : name.substr(colon + 1);
}

SizedModule measure(const torch::nn::Module& model, const std::vector<std::string>& tied_targets) {
  return measure_one(model, "", {tied_targets.begin(), tied_targets.end()});
}

int64_t largest_layer_bytes(const SizedModule& module, const std::vector<std::string>& no_split) {
  const bool whole = std::find(no_split.begin(), no_split.end(), module.class_name) != no_split.end();
  if (whole || module.children.empty()) return module.bytes;
  int64_t most = 0;
  for (const auto& tensor : module.tensors) most = std::max(most, tensor.bytes);
  for (const auto& child : module.children) most = std::max(most, largest_layer_bytes(child, no_split));
  return most;
}

}  // namespace transformers
