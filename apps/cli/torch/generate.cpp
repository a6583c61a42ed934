#include <ATen/ops/tensor.h>

#include <optional>

#include "apps/cli/options.h"
#include "apps/cli/terminal.h"
#include "apps/cli/torch/generation_flags.h"
#include "apps/cli/torch/interrupt.h"
#include "apps/cli/torch/loading.h"
#include "apps/cli/torch/registry_torch.h"
#include "apps/cli/torch/tensors.h"
#include "transformers/base/strings.h"
#include "transformers/generation/streamers.h"

namespace transformers::cli {

namespace {

using TokenizerPtr = std::shared_ptr<PreTrainedTokenizer>;

void check_prompt(const Arguments& arguments) {
  int given = 0;
  for (const auto* name : {"prompt", "input-ids", "inputs"}) given += arguments.has(name);
  if (given != 1)
    throw UsageError(given == 0 ? "no prompt is given; give --prompt, --input-ids or --inputs"
                                : "--prompt, --input-ids and --inputs exclude each other",
                     "transformers-cpp generate --help");
}

// Ids can be continued without a tokenizer; a text cannot.
TokenizerPtr optional_tokenizer(const Arguments& arguments) {
  if (arguments.has("prompt")) return load_tokenizer(arguments);
  try {
    return load_tokenizer(arguments);
  } catch (const Error&) {
    return nullptr;
  }
}

// What can be read before the model is loaded, so that its errors come at once.
NamedTensors read_prompt(const Arguments& arguments, const TokenizerPtr& tokenizer) {
  if (const auto file = arguments.find("inputs")) return read_tensors(*file);
  const auto text = arguments.find("prompt");
  if (text && !is_utf8(*text)) throw ValueError("--prompt is not UTF-8");
  const auto ids = text ? tokenizer->encode(*text) : parse_ids("input-ids", arguments.text("input-ids"));
  return {{"input_ids", at::tensor(ids, at::kLong).unsqueeze(0)}};
}

std::string text_of(const PreTrainedTokenizer* tokenizer, std::span<const int64_t> ids) {
  if (tokenizer) return tokenizer->decode(ids, true);
  std::string out;
  for (const auto id : ids) out += out.empty() ? str(id) : str(",", id);
  return out;
}

std::span<const int64_t> row_of(const at::Tensor& sequences, int64_t row) {
  return {sequences.const_data_ptr<int64_t>() + row * sequences.size(1), static_cast<size_t>(sequences.size(1))};
}

void print_json(const at::Tensor& sequences, const PreTrainedTokenizer* tokenizer) {
  Json rows = Json::list(), texts = Json::list();
  for (int64_t row = 0; row < sequences.size(0); ++row) {
    Json ids = Json::list();
    for (const auto id : row_of(sequences, row)) ids.push_back(id);
    rows.push_back(std::move(ids));
    if (tokenizer) texts.push_back(text_of(tokenizer, row_of(sequences, row)));
  }
  write_out(Json(Json::Object{{"sequences", std::move(rows)}, {"text", std::move(texts)}}).dump() + "\n");
}

std::shared_ptr<BaseStreamer> terminal_streamer(const TokenizerPtr& tokenizer) {
  const auto decode = [tokenizer](std::span<const int64_t> ids) { return tokenizer->decode(ids, true); };
  const auto sink = [](std::string_view text) {
    write_out(text);
    flush_out();
  };
  return std::make_shared<TextStreamer>(decode, sink);
}

}  // namespace

int run_generate(const Arguments& arguments) {
  check_prompt(arguments);
  GenerateOptions options{.kwargs = checked_generation_fields(arguments, "generate"),
                          .stopping_criteria = {std::make_shared<StopOnInterrupt>()}};
  if (arguments.has("seed")) options.seed = static_cast<uint64_t>(arguments.integer("seed", 0));
  static_cast<void>(loading_arguments(arguments));  // what this version lacks is said first
  const auto tokenizer = optional_tokenizer(arguments);
  if (!tokenizer && arguments.has("stop-strings"))
    throw ValueError(str(arguments.positional.front(), ": has no tokenizer, which --stop-strings needs"));
  const auto prompt = read_prompt(arguments, tokenizer);
  const auto model = load_generator(arguments);
  const auto inputs = model_inputs(prompt, model->dtype(), arguments.text("inputs"));
  if (tokenizer) options.decode = [&](std::span<const int64_t> ids) { return tokenizer->decode(ids); };

  const bool is_json = arguments.has("json");
  const bool is_one_row = !inputs.input_ids.defined() || inputs.input_ids.size(0) == 1;
  const bool is_streamed =
      !is_json && tokenizer && is_one_row && stdout_is_terminal() && options.kwargs.get("num_return_sequences", 1) == 1;
  if (is_streamed) options.streamer = terminal_streamer(tokenizer);
  catch_interrupts(/*ends_at_second=*/true);
  const auto sequences = model->generate(inputs, options).sequences.cpu().contiguous();
  if (is_json) {
    print_json(sequences, tokenizer.get());
  } else if (is_streamed) {
    write_out("\n");
  } else {
    for (int64_t row = 0; row < sequences.size(0); ++row)
      write_out(text_of(tokenizer.get(), row_of(sequences, row)) + "\n");
  }
  return is_interrupted() ? kInterrupted : 0;
}

}  // namespace transformers::cli
