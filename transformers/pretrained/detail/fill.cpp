#include "transformers/pretrained/detail/fill.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/memory.h"
#include "transformers/base/parallel.h"
#include "transformers/base/strings.h"
#include "transformers/base/temporary_folder.h"
#include "transformers/checkpoint/read_ahead.h"
#include "transformers/checkpoint/safetensors.h"
#include "transformers/nn/dtypes.h"
#include "transformers/placement/dispatch.h"
#include "transformers/placement/materialize.h"

namespace transformers {

namespace {

// A weight on its way: on its device, or left in its file until it is needed.
struct Value {
  at::Tensor tensor = {};
  std::optional<DiskWeight> disk = {};
  bool is_waiting = false;  // on the disk only until everything is read

  [[nodiscard]] at::Tensor on_cpu() const {
    if (!disk) return tensor.cpu();
    return materialize(*disk->reader, *disk->entry, Op::Rename, 0, disk->dtype);
  }
  [[nodiscard]] at::ScalarType dtype() const { return disk ? disk->dtype : tensor.scalar_type(); }
};
using Values = std::unordered_map<std::string, Value>;

const Device kOnCpu = "cpu";

const Device& device_of(const DeviceMap* map, const std::string& name) {
  const auto* device = map ? find_device(*map, name) : nullptr;
  return device ? *device : kOnCpu;
}

class Filler {
 public:
  Filler(PreTrainedModel& model, const FillRequest& request, WeightStore& weights)
      : model_(model), request_(request), weights_(weights) {
    for (const auto& [name, tensor] : model.state_dict()) types_.emplace(name, tensor.scalar_type());
    if (request.offload_state_dict) waiting_room_.emplace("state");
  }

  void read() {
    start_reading_ahead();
    const auto& planned = request_.plan->tensors;
    std::vector<Value> values(planned.size());
    const auto total = static_cast<int64_t>(planned.size());
    std::atomic<size_t> done{0};
    const auto read_one = [&](size_t i) {
      values[i] = read_planned(planned[i]);
      logging::report_progress({"Loading weights", static_cast<int64_t>(++done), total, "tensors"});
    };
    // Views of the mapping cost nothing; threads pay only where tensors are expanded or cast.
    const bool all_views = std::all_of(planned.begin(), planned.end(), [&](const PlannedTensor& tensor) {
      return tensor.op == Op::Rename && to_scalar_type(tensor.entry->dtype) == types_.at(tensor.name);
    });
    const bool one_thread = all_views || writes_files() || is_async_off();
    run_parallel(values.size(), read_one,
                 {.threads = one_thread ? 1 : std::clamp(std::thread::hardware_concurrency(), 1u, 4u)});
    for (auto& value : values) bring_back(value);
    for (size_t i = 0; i < values.size(); ++i) values_.emplace(planned[i].name, std::move(values[i]));
  }

  // Integer weights would load and fail in the first product.
  void check_types(std::vector<std::string>& errors) {
    std::vector<std::string> wrong;
    for (const auto& [name, value] : values_)
      if (at::isFloatingType(types_.at(name)) != at::isFloatingType(value.dtype())) wrong.push_back(name);
    std::sort(wrong.begin(), wrong.end(), natural_less);
    for (const auto& name : wrong) {
      errors.push_back(str(name, ": is of type ", info(to_data_type(values_.at(name).dtype())).name,
                           " in the checkpoint, the model needs ", info(to_data_type(types_.at(name))).name));
      values_.erase(name);
    }
  }

  // A key that the class ties may lie in a file under any of its names.
  void tie(std::set<std::string>& missing) {
    for (const auto& [target, source] : model_.all_tied_weights_keys()) {
      const auto from = values_.find(source), to = values_.find(target);
      const bool has_source = from != values_.end(), has_target = to != values_.end();
      if (has_source && has_target && !at::equal(from->second.on_cpu(), to->second.on_cpu())) {
        logging::warning(str("the checkpoint holds different values for ", quote(target), " and ", quote(source),
                             ", which the class ties; both are kept",
                             model_.config->get("tie_word_embeddings") == Json(false)
                                 ? ""
                                 : "; set tie_word_embeddings to false to say so"));
        continue;
      }
      if (!has_source && has_target) values_.emplace(source, moved(to->second, source));
      if (!has_source && !has_target) continue;  // both stay missing; the tie made on meta is renewed afterwards
      values_[target] = moved(values_.at(source), target);
      if (weights_held_for(target) && weights_held_for(source)) aliases_.emplace_back(target, source);
      missing.erase(source);
      missing.erase(target);
    }
  }

  std::set<std::string> assign() {
    const at::NoGradGuard no_grad;
    std::set<std::string> filled;
    for (auto& [name, value] : values_) {
      filled.insert(name);
      if (value.disk) {
        weights_.read_in_place(name, *value.disk);
      } else if (weights_held_for(name)) {
        weights_.hold(name, value.tensor);
      } else {
        if (at::isFloatingType(value.tensor.scalar_type())) value.tensor.set_requires_grad(true);
        assign_tensor(model_, name, value.tensor);
      }
    }
    for (const auto& [target, source] : aliases_) weights_.alias(target, source);
    return filled;
  }

 private:
  static bool is_async_off() { return environment_flag("HF_DEACTIVATE_ASYNC_LOAD"); }  // P63
  [[nodiscard]] bool writes_files() const {
    const auto is_disk = [](const auto& item) { return item.second == Device("disk"); };
    return request_.offload_state_dict ||
           (request_.device_map && std::any_of(request_.device_map->begin(), request_.device_map->end(), is_disk));
  }

  // What stays on disk is asked for block by block, and more than fits would push out what came first.
  void start_reading_ahead() {
    if (is_async_off()) return;
    std::vector<const CheckpointEntry*> entries;
    int64_t size_bytes = 0;
    for (const auto& planned : request_.plan->tensors) {
      if (is_for_disk(planned.name)) continue;
      entries.push_back(planned.entry);
      size_bytes += static_cast<int64_t>(planned.entry->size_bytes);
    }
    const bool fits = size_bytes <= available_memory_bytes();
    logging::debug(str(request_.source, ": the weights are mapped, ", human_bytes(size_bytes),
                       fits ? ", and read ahead of their use" : ", more than the free memory, and read when used"));
    if (fits) model_.read_ahead = std::make_shared<ReadAhead>(request_.reader, std::move(entries));
  }

  [[nodiscard]] bool weights_held_for(const std::string& name) const {
    return request_.device_map && is_offloaded(*request_.device_map, device_of(request_.device_map, name));
  }
  [[nodiscard]] bool is_for_disk(const std::string& name) const {
    return device_of(request_.device_map, name) == Device("disk");
  }

  // Of what waited in a file, one tensor at a time: memory of its own, so that the file can go.
  static void bring_back(Value& value) {
    if (!value.is_waiting) return;
    const auto file = value.disk->reader->files().front();
    value = {.tensor = value.on_cpu().clone()};
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
  }

  Value read_planned(const PlannedTensor& planned) const {
    const auto wanted = types_.at(planned.name);
    const auto type = at::isFloatingType(wanted) ? wanted : at::kFloat;  // the latter is an error, later
    if (is_for_disk(planned.name) && can_stay(planned))
      return {.disk = DiskWeight{request_.reader, planned.entry, final_type(*planned.entry, type)}};
    const auto turn = wait_for_turn(planned);
    auto tensor = materialize(*request_.reader, *planned.entry, planned.op, planned.heads, type);
    const bool is_view = planned.op == Op::Rename && to_scalar_type(planned.entry->dtype) == tensor.scalar_type();
    if (waiting_room_ && !is_view && device_of(request_.device_map, planned.name) == kOnCpu)
      return {.disk = written(waiting_room_->path(), planned.name, tensor), .is_waiting = true};
    return placed(planned.name, std::move(tensor));
  }

  // What is made with a copy on the way takes memory beside the model's: large ones one at a time (L03).
  [[nodiscard]] std::unique_lock<std::mutex> wait_for_turn(const PlannedTensor& planned) const {
    constexpr uint64_t kLarge = 16 << 20;
    const bool has_copy = planned.op != Op::Rename || planned.entry->offset == 0;
    if (!has_copy || planned.entry->size_bytes < kLarge) return {};
    return std::unique_lock(turn_);
  }

  // Integer weights are never cast.
  static at::ScalarType final_type(const CheckpointEntry& entry, at::ScalarType wanted) {
    const auto own = to_scalar_type(entry.dtype);
    return own && !at::isFloatingType(*own) ? *own : wanted;
  }

  // In a safetensors file a weight is read where it is, if nothing but a cast is to be done.
  [[nodiscard]] bool can_stay(const PlannedTensor& planned) const {
    const auto& entry = *planned.entry;
    if (entry.offset == 0) return false;  // made by the reader, from others or from memory
    const auto& file = request_.reader->files()[entry.file];
    return planned.op == Op::Rename && file.extension() == ".safetensors" && to_scalar_type(entry.dtype);
  }

  [[nodiscard]] Value placed(const std::string& name, at::Tensor tensor) const {
    if (is_for_disk(name)) return {.disk = written(offload_folder_for(name), name, tensor)};
    if (!weights_held_for(name)) tensor = tensor.to(torch_device(device_of(request_.device_map, name)));
    return {.tensor = std::move(tensor)};
  }

  // A value that a tie gives to another name, on the device of that one.
  [[nodiscard]] Value moved(const Value& value, const std::string& name) const {
    if (value.disk && is_for_disk(name)) return value;
    if (!value.disk && !is_for_disk(name) && !weights_held_for(name) &&
        value.tensor.device() == torch_device(device_of(request_.device_map, name)))
      return value;  // one tensor under two names
    return placed(name, value.on_cpu());
  }

  [[nodiscard]] const std::filesystem::path& offload_folder_for(const std::string& name) const {
    if (request_.offload_folder) return *request_.offload_folder;
    throw ValueError(str(request_.source, ": the device map puts ", quote(name),
                         " on disk, and it cannot be read where it lies; name a folder to write it to "
                         "(offload_folder, --offload-folder)"));
  }

  [[nodiscard]] DiskWeight written(const std::filesystem::path& folder, const std::string& name,
                                   const at::Tensor& tensor) const {
    const auto held = tensor.contiguous();
    const CheckpointWriteEntry entry{
        .name = name, .dtype = to_data_type(held.scalar_type()), .shape = held.sizes().vec(), .bytes = [held] {
          return SharedBytes{{static_cast<const std::byte*>(held.const_data_ptr()), held.nbytes()},
                             std::make_shared<at::Tensor>(held)};
        }};
    const auto file = path_inside(folder, name + ".safetensors", request_.source);
    write_safetensors(file, {&entry, 1});
    std::shared_ptr<const CheckpointReader> reader = open_checkpoint(file);
    return {reader, reader->find(name), held.scalar_type()};
  }

  PreTrainedModel& model_;
  const FillRequest& request_;
  WeightStore& weights_;
  std::unordered_map<std::string, at::ScalarType> types_;  // of the model's tensors
  mutable std::mutex turn_;
  std::optional<TemporaryFolder> waiting_room_;
  Values values_;
  std::vector<std::pair<std::string, std::string>> aliases_;
};

void create_offload_folder(const FillRequest& request) {
  if (!request.offload_folder) return;
  std::error_code code;
  std::filesystem::create_directories(*request.offload_folder, code);
  if (code) throw OSError(str(*request.offload_folder, ": cannot be created: ", code.message()));
}

// Gives the tensors called `missing` memory on the CPU and fresh values; loaded neighbours in the module are not
// touched.
void initialise_on_cpu(PreTrainedModel& model, const std::set<std::string>& missing) {
  const std::function<void(PreTrainedModel&, torch::nn::Module&, const std::string&)> walk =
      [&](PreTrainedModel& rules, torch::nn::Module& module, const std::string& prefix) {
        for (const auto& child : module.named_children()) {
          auto* nested = dynamic_cast<PreTrainedModel*>(child.value().get());
          walk(nested ? *nested : rules, *child.value(), prefix + child.key() + ".");
        }
        auto* facet = dynamic_cast<nn::Facet*>(&module);
        const auto own = module.named_parameters(false);
        const auto is_missing = [&](const auto& item) { return missing.contains(prefix + item.key()); };
        if (!facet || std::none_of(own.begin(), own.end(), is_missing)) return;
        for (const auto& item : own) {
          if (!item.value().defined()) continue;
          const auto options = item.value().options().device(is_missing(item) ? at::kCPU : at::kMeta);
          facet->assign(item.key(), at::empty(item.value().sizes(), options).set_requires_grad(true));
        }
        rules._init_weights(module);  // skips what stands on meta
        for (const auto& item : own)
          if (item.value().defined() && !is_missing(item)) facet->assign(item.key(), item.value());
      };
  walk(model, model, "");
}

}  // namespace

std::set<std::string> fill_from_checkpoint(PreTrainedModel& model, const FillRequest& request, WeightStore& weights,
                                           LoadingInfo& info) {
  create_offload_folder(request);
  Filler filler(model, request, weights);
  filler.read();
  filler.check_types(info.error_msgs);
  filler.tie(info.missing_keys);
  return filler.assign();
}

void initialise_missing(PreTrainedModel& model, const std::set<std::string>& filled, const DeviceMap* device_map,
                        WeightStore& weights) {
  const at::NoGradGuard no_grad;
  std::set<std::string> missing;
  for (const auto& [name, tensor] : model.state_dict())
    if (tensor.is_meta() && !filled.contains(name)) missing.insert(name);
  if (missing.empty()) return;
  initialise_on_cpu(model, missing);
  const auto state = model.state_dict();
  for (const auto& [target, source] : model.all_tied_weights_keys())
    if (missing.contains(target) && missing.contains(source)) assign_tensor(model, target, state.at(source));
  if (!device_map) return;
  for (const auto& [name, tensor] : model.state_dict()) {
    if (!missing.contains(name)) continue;
    const auto& device = device_of(device_map, name);
    if (is_offloaded(*device_map, device)) {
      weights.hold(name, tensor);
      assign_tensor(model, name, at::empty_like(tensor, tensor.options().device(at::kMeta)));
    } else if (tensor.device() != torch_device(device)) {
      assign_tensor(model, name, tensor.to(torch_device(device)).set_requires_grad(true));
    }
  }
}

}  // namespace transformers
