#include "transformers/placement/dispatch.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <map>
#include <optional>
#include <typeinfo>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/placement/module_sizes.h"

namespace transformers {

namespace {

// A list of modules is never called itself.
bool is_called(const torch::nn::Module& module) { return typeid(module) != typeid(nn::Module); }

void move_to(const nn::Tensors& tensors, at::Device device) {
  for (auto* tensor : tensors)
    if (tensor->defined() && tensor->device() != device) *tensor = tensor->to(device);
}

// A parameter or buffer that is fetched for each call.
struct Slot {
  nn::Facet* facet = nullptr;
  std::string name = {};        // in the module
  std::string weight = {};      // in the store; empty for a buffer, which is moved
  at::Tensor placeholder = {};  // what the module has between calls
};

// A buffer that stays on the device of its module.
struct Resident {
  nn::Facet* facet = nullptr;
  std::string name = {};
  at::Tensor original = {};
};

class PlacedHook final : public nn::Hook {
 public:
  PlacedHook(at::Device device, std::vector<Slot> slots, std::vector<Resident> buffers,
             std::shared_ptr<const WeightStore> weights)
      : device_(device), slots_(std::move(slots)), buffers_(std::move(buffers)), weights_(std::move(weights)) {
    for (const auto& buffer : buffers_) buffer.facet->lend(buffer.name, buffer.original.to(device_));
  }
  // Gives the modules back what they had.
  void undo() const {
    for (const auto& buffer : buffers_) buffer.facet->lend(buffer.name, buffer.original);
  }

  void before(torch::nn::Module& module, const nn::Tensors& arguments) override {
    move_to(arguments, device_);
    if (slots_.empty()) return;
    if (module.is_training() && at::GradMode::is_enabled())
      throw RuntimeError(str("the weights of ", quote(slots_.front().weight),
                             " are offloaded, which is for inference only; call eval(), or load without offloading"));
    std::map<std::string_view, at::Tensor> fetched;  // tied weights come once
    for (const auto& slot : slots_) {
      if (slot.weight.empty()) {
        slot.facet->lend(slot.name, slot.placeholder.to(device_));
        continue;
      }
      auto& tensor = fetched[weights_->source_of(slot.weight)];
      if (!tensor.defined()) tensor = weights_->load(slot.weight).to(device_);
      slot.facet->lend(slot.name, tensor);
    }
    for (const auto& weight : next_) weights_->prefetch(weight);
  }
  void after(torch::nn::Module&, const nn::Tensors&) override { drop(); }
  void failed(torch::nn::Module&) noexcept override { drop(); }

  // Whose pages are asked for while this module computes.
  void set_next(const PlacedHook& next) {
    for (const auto& slot : next.slots_)
      if (!slot.weight.empty()) next_.push_back(slot.weight);
  }
  [[nodiscard]] bool fetches() const { return !slots_.empty(); }

 private:
  void drop() noexcept {
    for (const auto& slot : slots_) {
      slot.facet->lend(slot.name, slot.placeholder);
      if (!slot.weight.empty()) weights_->release(slot.weight);
    }
  }

  at::Device device_;
  std::vector<Slot> slots_;
  std::vector<Resident> buffers_;
  std::shared_ptr<const WeightStore> weights_;
  std::vector<std::string> next_;
};

// Around the whole model: inputs to the main device, outputs back to where the inputs were.
class RootHook final : public nn::Hook {
 public:
  explicit RootHook(at::Device device) : device_(device) {}
  void before(torch::nn::Module&, const nn::Tensors& arguments) override {
    const auto origin = arguments.empty() ? device_ : arguments.front()->device();
    move_to(arguments, device_);
    came_from_.push_back(origin);
  }
  void after(torch::nn::Module&, const nn::Tensors& results) override {
    const auto origin = came_from_.back();
    came_from_.pop_back();
    move_to(results, origin);
  }
  void failed(torch::nn::Module&) noexcept override { came_from_.pop_back(); }

 private:
  at::Device device_;
  // Of the calls of this thread that are under way, of any model: the innermost ends first.
  inline static thread_local std::vector<at::Device> came_from_;
};

// Finds the modules that need a hook, in the order in which they are registered, which is the order of calls.
class Walker {
 public:
  struct Placed {
    std::shared_ptr<torch::nn::Module> module;
    std::shared_ptr<PlacedHook> hook;
  };

  Walker(const DeviceMap& map, const DispatchOptions& options, std::shared_ptr<const WeightStore> weights)
      : map_(map), options_(options), weights_(std::move(weights)), main_(main_device(map)) {}

  void walk(const std::shared_ptr<torch::nn::Module>& module, const std::string& name) {
    const auto* device = find_device(map_, name);
    if (!device || is_divided(name)) {
      add_own(module, name);
    } else if (is_offloaded(map_, *device)) {
      return walk_offloaded(module, name);
    } else if (is_called(*module)) {
      std::vector<Resident> buffers;
      const bool is_unit = is_whole(*module) || module->children().empty();
      collect_buffers(*module, buffers, is_unit);
      add(module, torch_device(*device), {}, std::move(buffers));
      if (is_unit) return;  // some modules only group others, which are then called themselves
    }
    for (const auto& child : module->named_children()) walk(child.value(), dotted(name, child.key()));
  }

  // A module whose children are placed one by one computes with its own tensors where those are.
  void add_own(const std::shared_ptr<torch::nn::Module>& module, const std::string& name) {
    std::vector<Slot> slots;
    collect_own(*module, name, slots);
    if (slots.empty() && module->named_parameters(false).is_empty() && module->named_buffers(false).is_empty()) return;
    at::Device device = main_;
    for (const auto& item : module->named_parameters(false))
      if (const auto* placed_on = find_device(map_, dotted(name, item.key())))
        if (!is_offloaded(map_, *placed_on)) device = torch_device(*placed_on);
    std::vector<Resident> buffers;
    place_buffers(*module, slots, buffers, false);
    add(module, device, std::move(slots), std::move(buffers));
  }

  std::vector<Placed> placed;

 private:
  [[nodiscard]] bool is_divided(const std::string& name) const {
    const auto prefix = name.empty() ? name : name + ".";
    return std::any_of(map_.begin(), map_.end(), [&](const auto& item) {
      return item.first.size() > name.size() && item.first.starts_with(prefix);
    });
  }
  [[nodiscard]] bool is_whole(const torch::nn::Module& module) const {
    return std::find(options_.no_split.begin(), options_.no_split.end(), plain_class_name(module)) !=
           options_.no_split.end();
  }

  // Fetched as one where the class must not be divided or has no children; else each module fetches its own.
  void walk_offloaded(const std::shared_ptr<torch::nn::Module>& module, const std::string& name) {
    if (is_called(*module) && (is_whole(*module) || module->children().empty())) {
      std::vector<Slot> slots;
      std::vector<Resident> buffers;
      collect(*module, name, slots);
      place_buffers(*module, slots, buffers, true);
      return add(module, main_, std::move(slots), std::move(buffers));
    }
    add_own(module, name);
    for (const auto& child : module->named_children()) walk_offloaded(child.value(), dotted(name, child.key()));
  }

  void add(const std::shared_ptr<torch::nn::Module>& module, at::Device device, std::vector<Slot> slots,
           std::vector<Resident> buffers) {
    placed.push_back({module, std::make_shared<PlacedHook>(device, std::move(slots), std::move(buffers), weights_)});
  }

  // The buffers of an offloaded module stay where it computes, or come with its weights.
  void place_buffers(torch::nn::Module& module, std::vector<Slot>& slots, std::vector<Resident>& buffers,
                     bool deep) const {
    std::vector<Resident> found;
    collect_buffers(module, found, deep);
    for (auto& buffer : found)
      if (options_.offload_buffers && !slots.empty())
        slots.push_back({buffer.facet, buffer.name, "", buffer.original});
      else
        buffers.push_back(std::move(buffer));
  }
  void collect_buffers(torch::nn::Module& module, std::vector<Resident>& buffers, bool deep) const {
    if (auto* facet = dynamic_cast<nn::Facet*>(&module))
      for (const auto& item : module.named_buffers(false)) buffers.push_back({facet, item.key(), item.value()});
    if (!deep) return;
    for (const auto& child : module.children()) collect_buffers(*child, buffers, true);
  }

  void collect(torch::nn::Module& module, const std::string& name, std::vector<Slot>& slots) const {
    collect_own(module, name, slots);
    for (const auto& child : module.named_children()) collect(*child.value(), dotted(name, child.key()), slots);
  }
  void collect_own(torch::nn::Module& module, const std::string& name, std::vector<Slot>& slots) const {
    auto* facet = dynamic_cast<nn::Facet*>(&module);
    if (!facet) return;
    const auto add_all = [&](const auto& items) {
      for (const auto& item : items)
        if (auto weight = dotted(name, item.key()); weights_->contains(weight))
          slots.push_back({facet, item.key(), std::move(weight), item.value()});
    };
    add_all(module.named_parameters(false));
    add_all(module.named_buffers(false));
  }

  const DeviceMap& map_;
  const DispatchOptions& options_;
  std::shared_ptr<const WeightStore> weights_;
  at::Device main_;
};

// While one module computes, the next that fetches is read; the last one prepares the next call.
void chain(const std::vector<Walker::Placed>& placed) {
  std::vector<PlacedHook*> fetching;
  for (const auto& item : placed)
    if (item.hook->fetches()) fetching.push_back(item.hook.get());
  for (size_t i = 0; i < fetching.size(); ++i)
    if (fetching.size() > 1) fetching[i]->set_next(*fetching[(i + 1) % fetching.size()]);
}

}  // namespace

at::Device main_device(const DeviceMap& map) {
  std::optional<int64_t> accelerator;
  std::optional<Device> other;
  for (const auto& [name, device] : map) {
    if (const auto* number = std::get_if<int64_t>(&device))
      accelerator = std::min(*number, accelerator.value_or(*number));
    else if (!other && device != Device("cpu") && device != Device("disk"))
      other = device;
  }
  if (accelerator) return torch_device(*accelerator);
  return other ? torch_device(*other) : at::kCPU;
}

bool is_offloaded(const DeviceMap& map, const Device& device) {
  return device == Device("disk") || (device == Device("cpu") && !main_device(map).is_cpu());
}

Dispatch::Dispatch(torch::nn::Module& model, const DeviceMap& map, std::shared_ptr<const WeightStore> weights,
                   const DispatchOptions& options)
    : model_(model), weights_(std::move(weights)), main_device_(transformers::main_device(map)) {
  Walker walker(map, options, weights_);
  walker.add_own(model.shared_from_this(), "");
  for (const auto& child : model.named_children()) walker.walk(child.value(), child.key());
  chain(walker.placed);
  for (const auto& [module, hook] : walker.placed) {
    auto* facet = dynamic_cast<nn::Facet*>(module.get());
    if (!facet) continue;
    facet->add_hook(hook);
    hooks_.emplace_back(module, hook);
  }
  root_hook_ = std::make_shared<RootHook>(main_device_);
  if (auto* facet = dynamic_cast<nn::Facet*>(&model_)) facet->add_hook(root_hook_);
}

void Dispatch::remove() {
  for (const auto& [module, hook] : hooks_) {
    dynamic_cast<nn::Facet&>(*module).remove_hook(hook.get());
    static_cast<const PlacedHook&>(*hook).undo();
  }
  hooks_.clear();
  if (auto* facet = dynamic_cast<nn::Facet*>(&model_)) facet->remove_hook(root_hook_.get());
}

Dispatch::~Dispatch() { remove(); }

}  // namespace transformers
