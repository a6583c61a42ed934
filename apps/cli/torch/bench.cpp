#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "apps/cli/system.h"
#include "apps/cli/terminal.h"
#include "apps/cli/torch/loading.h"
#include "apps/cli/torch/registry_torch.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/kernels/cpu_features.h"
#include "transformers/nn/dtypes.h"

namespace transformers::cli {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// Seconds since this process was started: field 22 of /proc/self/stat, in clock ticks since the machine's start.
double process_age() {
  const auto text = read_system_file("/proc/self/stat");
  if (text.empty()) return 0;
  const auto fields = split(text.substr(text.rfind(')') + 2), ' ');
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const double started = std::stod(fields.at(19)) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9 - started;
}

int64_t peak_rss_bytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

struct Work {
  int64_t prompt = 512, decode = 64, context = 0, batch = 1, length = 128, repeat = 5;
};

class Bench {
 public:
  Bench(const Arguments& arguments, double start_up_s)
      : arguments_(arguments), options_(loading_arguments(arguments)), start_up_s_(start_up_s) {
    work_ = {.prompt = arguments.integer("prompt-tokens", 512),
             .decode = arguments.integer("decode-tokens", 64),
             .context = arguments.integer("context", 0),
             .batch = arguments.integer("batch", 1),
             .length = arguments.integer("length", 128),
             .repeat = arguments.integer("repeat", 5)};
  }

  Json run() {
    const at::NoGradGuard no_grad;
    load();
    is_generative_ = model_->can_generate();
    tell_ignored();
    if (is_generative_) check_positions(work_.context + work_.prompt + work_.decode);
    for (int64_t i = 0; i < work_.repeat; ++i) is_generative_ ? generate_once(i) : encode_once(i);
    return report();
  }

 private:
  // One command line may serve models of both kinds.
  void tell_ignored() const {
    const auto tell = [&](std::initializer_list<const char*> names, std::string_view why) {
      for (const auto* name : names)
        if (arguments_.has(name)) logging::warning(str("--", name, " has no effect: ", why));
    };
    if (!is_generative_) tell({"prompt-tokens", "decode-tokens", "context"}, "the model is an encoder");
    if (is_generative_) tell({"length"}, "the model generates");
    if (is_generative_ && model_->config->is_encoder_decoder) tell({"context"}, "the model has an encoder");
  }

  void load() {
    const auto start = Clock::now();
    model_ = nullptr;
    model_ = load_model(arguments_, options_).model;
    load_s_.push_back(seconds_since(start));
  }

  void check_positions(int64_t tokens) const {
    const auto most = model_->config->get("max_position_embeddings");
    if (most.is_int() && tokens > most.as_int())
      throw ValueError(
          str("the work takes ", tokens, " positions, the model has ", most.as_int(), "; ask for fewer tokens"));
  }

  // (batch, count) ids from a fixed seed.
  at::Tensor random_ids(int64_t count) {
    const auto size = model_->config->get("vocab_size");
    if (!size.is_int()) throw ValueError(str(model_->model_class().name, ": its config has no vocab_size"));
    std::uniform_int_distribution<int64_t> draw(0, size.as_int() - 1);
    auto ids = at::empty({work_.batch, count}, at::kLong);
    auto* data = ids.mutable_data_ptr<int64_t>();
    std::generate(data, data + ids.numel(), [&] { return draw(random_); });
    return ids;
  }

  // A fresh load and the prompt: what a user waits for; then the speeds on the warm model.
  void generate_once(int64_t i) {
    random_.seed(1);
    if (i > 0) load();
    const auto first = Clock::now();
    static_cast<void>(prefill(nullptr));
    first_token_s_.push_back(start_up_s_ + load_s_.back() + seconds_since(first));
    std::shared_ptr<nn::Cache> cache;
    if (work_.context > 0 && !model_->config->is_encoder_decoder) {
      cache = model_->make_cache();
      static_cast<void>(model_->forward(
          {.input_ids = random_ids(work_.context), .past_key_values = cache, .use_cache = true, .logits_to_keep = 1}));
    }
    const auto start = Clock::now();
    auto output = prefill(cache);
    prefill_s_.push_back(seconds_since(start));
    decode(std::move(output));
  }

  // An accelerator works on after a call has returned; its result is there when one number of it is.
  static void wait_for(at::Tensor result) {
    while (result.dim() > 0) result = result.select(0, 0);
    static_cast<void>(result.cpu());
  }

  ModelOutput prefill(const std::shared_ptr<nn::Cache>& cache) {
    ModelInputs inputs{
        .input_ids = random_ids(work_.prompt), .past_key_values = cache, .use_cache = true, .logits_to_keep = 1};
    if (model_->config->is_encoder_decoder) {
      inputs.decoder_input_ids = random_ids(1);
      inputs.past_key_values = nullptr;
    }
    auto output = model_->forward(inputs);
    next_ids_ = output.logits.select(1, -1).argmax(-1, true);
    wait_for(next_ids_);
    return output;
  }

  void decode(ModelOutput output) {
    const auto start = Clock::now();
    for (int64_t i = 0; i < work_.decode; ++i) {
      ModelInputs step{.past_key_values = output.past_key_values, .use_cache = true, .logits_to_keep = 1};
      (model_->config->is_encoder_decoder ? step.decoder_input_ids : step.input_ids) = next_ids_;
      if (model_->config->is_encoder_decoder) step.encoder_outputs = output.encoder_last_hidden_state;
      auto next = model_->forward(step);
      if (!next.encoder_last_hidden_state.defined()) next.encoder_last_hidden_state = output.encoder_last_hidden_state;
      output = std::move(next);
      next_ids_ = output.logits.select(1, -1).argmax(-1, true);
      wait_for(next_ids_);  // as a user who reads along does
    }
    decode_s_.push_back(seconds_since(start));
  }

  ModelInputs encoder_inputs() {
    if (model_->architecture().main_input_name != "pixel_values") {
      check_positions(work_.length);
      const auto ids = random_ids(work_.length);
      return {.input_ids = ids, .attention_mask = at::ones(ids.sizes(), at::kLong)};
    }
    const auto side = model_->config->get("image_size"), channels = model_->config->get("num_channels");
    const auto size = side.is_int() ? side.as_int() : 224;
    const auto pixels = at::empty({work_.batch, channels.is_int() ? channels.as_int() : 3, size, size}, at::kFloat);
    std::uniform_real_distribution<float> draw(-1, 1);
    auto* data = pixels.mutable_data_ptr<float>();
    std::generate(data, data + pixels.numel(), [&] { return draw(random_); });
    return {.pixel_values = pixels.to(model_->dtype())};
  }

  void encode_once(int64_t i) {
    random_.seed(1);
    if (i > 0) load();
    const auto inputs = encoder_inputs();
    if (i == 0) static_cast<void>(model_->forward(inputs));  // warms up caches and threads
    const auto start = Clock::now();
    const auto outputs = model_->forward(inputs).to_tuple();
    if (const auto* tensor = std::get_if<at::Tensor>(&outputs.at(0))) wait_for(*tensor);
    encode_s_.push_back(seconds_since(start));
  }

  Json report() const {
    Json out = Json::Object{{"load_s", median(load_s_)}};
    if (is_generative_) {
      out["first_token_s"] = median(first_token_s_);
      out["prefill_tok_s"] = static_cast<double>(work_.batch * work_.prompt) / median(prefill_s_);
      out["decode_tok_s"] = static_cast<double>(work_.batch * work_.decode) / median(decode_s_);
    } else {
      const double per_s = static_cast<double>(work_.batch) / median(encode_s_);
      out["sequences_s"] = per_s;
      if (model_->architecture().main_input_name != "pixel_values")
        out["tokens_s"] = per_s * static_cast<double>(work_.length);
    }
    out["peak_rss_bytes"] = peak_rss_bytes();
    out["threads"] = at::get_num_threads();
    out["kernels"] = kernels::active_instruction_set();
    out["dtype"] = info(to_data_type(model_->dtype())).name;
    out["class"] = model_->model_class().name;
    return out;
  }

  const Arguments& arguments_;
  FromPretrainedOptions options_;
  double start_up_s_ = 0;
  Work work_ = {};
  std::mt19937_64 random_{1};
  std::shared_ptr<PreTrainedModel> model_ = {};
  bool is_generative_ = false;
  at::Tensor next_ids_ = {};  // (batch, 1)
  std::vector<double> load_s_ = {}, first_token_s_ = {}, prefill_s_ = {}, decode_s_ = {}, encode_s_ = {};
};

}  // namespace

int run_bench(const Arguments& arguments) {
  const double start_up_s = process_age();
  const auto report = Bench(arguments, start_up_s).run();
  if (arguments.has("json")) {
    write_out(report.dump() + "\n");
    return 0;
  }
  for (const auto& [key, value] : report.as_object()) {
    auto head = key;
    head.resize(18, ' ');
    write_out(str(head, value.is_string() ? value.as_string() : value.dump(), "\n"));
  }
  return 0;
}

}  // namespace transformers::cli
