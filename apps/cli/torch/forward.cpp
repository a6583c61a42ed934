#include <ATen/core/grad_mode.h>

#include "apps/cli/terminal.h"
#include "apps/cli/torch/loading.h"
#include "apps/cli/torch/registry_torch.h"
#include "apps/cli/torch/tensors.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/nn/dtypes.h"

namespace transformers::cli {

namespace {

Json list_of(const std::set<std::string>& keys) {
  Json list = Json::list();
  for (const auto& key : keys) list.push_back(key);
  return list;
}

Json list_of(const std::vector<int64_t>& numbers) {
  Json list = Json::list();
  for (const auto number : numbers) list.push_back(number);
  return list;
}

void write_loading_info(const std::string& file, const LoadingInfo& info) {
  Json mismatched = Json::list(), errors = Json::list();
  for (const auto& [key, in_file, in_model] : info.mismatched_keys)
    mismatched.push_back(Json::Array{key, list_of(in_file), list_of(in_model)});
  for (const auto& text : info.error_msgs) errors.push_back(text);
  const Json report = Json::Object{{"missing_keys", list_of(info.missing_keys)},
                                   {"unexpected_keys", list_of(info.unexpected_keys)},
                                   {"mismatched_keys", std::move(mismatched)},
                                   {"error_msgs", std::move(errors)}};
  write_text_atomic(file, report.dump({.indent = 2}) + "\n");
}

void print_outputs(const NamedTensors& outputs, bool is_json) {
  Json fields = Json::object();
  for (const auto& [name, tensor] : outputs) {
    const auto dtype = info(to_data_type(tensor.scalar_type())).name;
    if (is_json)
      fields[name] = Json::Object{{"dtype", dtype}, {"shape", list_of(tensor.sizes().vec())}};
    else
      write_out(str(name, "  ", dtype, "  ", tensor.sizes().vec(), "\n"));
  }
  if (is_json) write_out(Json(Json::Object{{"outputs", std::move(fields)}}).dump() + "\n");
}

// What a model finds wrong with its inputs is wrong in that file.
NamedTensors run_model(PreTrainedModel& model, const ModelInputs& inputs, const std::string& inputs_file) {
  try {
    return model.forward(inputs).flatten();
  } catch (const Error& error) {
    throw RuntimeError(str(inputs_file, ": the model cannot take these inputs: ", error.what()));
  }
}

}  // namespace

static void refuse_same_files(const Arguments& arguments) {
  std::error_code ignored;
  const auto is_same = [&](const std::string& a, const std::string& b) {
    return std::filesystem::weakly_canonical(a, ignored) == std::filesystem::weakly_canonical(b, ignored) ||
           std::filesystem::equivalent(a, b, ignored);
  };
  const char* options[] = {"inputs", "outputs", "loading-info"};
  for (size_t i = 0; i < 3; ++i)
    for (size_t k = i + 1; k < 3; ++k)
      if (arguments.has(options[i]) && arguments.has(options[k]) &&
          is_same(arguments.text(options[i]), arguments.text(options[k])))
        throw ValueError(str("--", options[i], " and --", options[k], " are the same file, ",
                             arguments.text(options[i]), "; name another for one of them"));
}

int run_forward(const Arguments& arguments) {
  for (const auto* needed : {"inputs", "outputs"})
    if (!arguments.has(needed))
      throw UsageError(str("--", needed, " FILE is missing"), "transformers-cpp forward --help");
  auto options = loading_arguments(arguments);
  if (arguments.has("output-attentions")) options.kwargs["output_attentions"] = true;  // so that eager is chosen
  options.output_loading_info = arguments.has("loading-info");
  const auto inputs_file = arguments.text("inputs");
  refuse_files_of_model(arguments, {"outputs", "loading-info"});
  refuse_same_files(arguments);
  const auto tensors = read_tensors(inputs_file);
  const auto loaded = load_model(arguments, options);
  if (options.output_loading_info) write_loading_info(arguments.text("loading-info"), *loaded.loading_info);

  const at::NoGradGuard no_grad;
  auto inputs = model_inputs(tensors, loaded->dtype(), inputs_file);
  if (arguments.has("output-hidden-states")) inputs.output_hidden_states = true;
  if (arguments.has("output-attentions")) inputs.output_attentions = true;
  const auto outputs = run_model(*loaded, inputs, inputs_file);
  write_tensors(arguments.text("outputs"), outputs);
  print_outputs(outputs, arguments.has("json"));
  return 0;
}

}  // namespace transformers::cli
