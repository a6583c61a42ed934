#include "transformers/pretrained/sentence_transformer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/adapter.h"
#include "transformers/hub/snapshot.h"
#include "transformers/pretrained/auto.h"
#include "transformers/pretrained/detail/source.h"
#include "transformers/tokenizers/chat_template.h"

namespace transformers {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kMostConfigBytes = int64_t{16} << 20;

// What `read` makes of a file's JSON; what is of another type than it should be is an error that names the file.
template <class Read>
void with_json(const fs::path& file, const Read& read) {
  const auto json = Json::parse_file(file, kMostConfigBytes);
  try {
    read(json);
  } catch (const TypeError& error) {
    throw OSError(str(file, ": ", error.what()));
  }
}

template <class Read>
void with_optional_json(const Snapshot& snapshot, const std::string& name, const Read& read) {
  if (snapshot.has(name)) with_json(snapshot.file(name), read);
}

PoolingOptions read_pooling(const Snapshot& snapshot, const std::string& name) {
  const auto file = snapshot.file(name);
  PoolingOptions options{.mean_tokens = false};
  struct Mode {
    std::string_view name, flag;
    bool PoolingOptions::*field;
  };
  constexpr Mode modes[] = {
      {"cls", "pooling_mode_cls_token", &PoolingOptions::cls_token},
      {"max", "pooling_mode_max_tokens", &PoolingOptions::max_tokens},
      {"mean", "pooling_mode_mean_tokens", &PoolingOptions::mean_tokens},
      {"mean_sqrt_len", "pooling_mode_mean_sqrt_len_tokens", &PoolingOptions::mean_sqrt_len_tokens},
      {"weightedmean", "pooling_mode_weightedmean_tokens", &PoolingOptions::weightedmean_tokens},
      {"lasttoken", "pooling_mode_lasttoken", &PoolingOptions::lasttoken}};
  bool is_any = false;
  with_json(file, [&](const Json& json) {
    const auto named = split(json.get("pooling_mode", ""), '+');  // newer files name them
    for (const auto& mode : modes) {
      options.*mode.field =
          json.get(mode.flag, false) || std::find(named.begin(), named.end(), mode.name) != named.end();
      is_any = is_any || options.*mode.field;
    }
    if (!json.get("include_prompt", true))
      throw NotImplementedError(str(file, ": include_prompt is false, which is not part of this version"));
  });
  if (!is_any)
    throw ValueError(
        str(file,
            ": names no pooling mode that this version has (cls, max, mean, mean_sqrt_len, weightedmean, lasttoken)"));
  return options;
}

// Python's strip and lower, which also know what is no ASCII: they are filters of chat templates already.
std::vector<std::string> cleaned(std::span<const std::string> sentences, const std::string& prompt, bool lowers_case) {
  static const ChatTemplate lowered("{{ text | trim | lower }}"), plain("{{ text | trim }}");
  const auto& clean = lowers_case ? lowered : plain;
  std::vector<std::string> out;
  out.reserve(sentences.size());
  for (const auto& sentence : sentences) out.push_back(clean.render(Json::Object{{"text", prompt + sentence}}));
  return out;
}

// Indices of the sentences, long ones first: neighbours need little padding.
std::vector<size_t> by_length(const std::vector<Encoding>& encodings) {
  std::vector<size_t> order(encodings.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return encodings[a].ids.size() > encodings[b].ids.size(); });
  return order;
}

}  // namespace

at::Tensor pool(const at::Tensor& hidden, const at::Tensor& attention_mask, const PoolingOptions& options) {
  const auto x = hidden.to(at::kFloat);
  const auto mask = attention_mask.to(at::kFloat).unsqueeze(-1);  // (batch, tokens, 1)
  std::vector<at::Tensor> parts;
  if (options.cls_token) parts.push_back(x.select(1, 0));
  if (options.max_tokens) parts.push_back(std::get<0>(x.masked_fill(mask == 0, -1e9).max(1)));
  if (options.mean_tokens || options.mean_sqrt_len_tokens) {
    const auto sum = (x * mask).sum(1), count = mask.sum(1).clamp_min(1e-9);
    if (options.mean_tokens) parts.push_back(sum / count);
    if (options.mean_sqrt_len_tokens) parts.push_back(sum / count.sqrt());
  }
  if (options.weightedmean_tokens) {
    const auto weights = at::arange(1, x.size(1) + 1, x.options()).view({1, -1, 1}) * mask;
    parts.push_back((x * weights).sum(1) / weights.sum(1).clamp_min(1e-9));
  }
  if (options.lasttoken) {
    const auto last =
        (attention_mask.to(at::kLong).sum(1) - 1).clamp_min(0).view({-1, 1, 1}).expand({-1, 1, x.size(2)});
    parts.push_back(x.gather(1, last).squeeze(1));
  }
  return at::cat(parts, -1);
}

SentenceTransformer SentenceTransformer::from_pretrained(const std::string& name, const FromPretrainedOptions& given) {
  const auto options = modern_options(given);
  const auto lookup = lookup_of(options);
  auto snapshot = resolve_snapshot(name, lookup);
  const auto beside_tokenizer = snapshot_of_tokenizer(snapshot, lookup);
  if (is_adapter_alone(snapshot) && !snapshot.has("modules.json")) snapshot = base_of_adapter(snapshot, lookup);
  SentenceTransformer result;
  result.read_modules(snapshot);
  auto model_options = options;
  if (!result.transformer_folder_.empty())
    model_options.subfolder = (fs::path(options.subfolder) / result.transformer_folder_).native();
  const auto folder = snapshot.folder / result.transformer_folder_;
  const bool names_gguf = snapshot.weights_file.extension() == ".gguf";
  // The model first: what was named and is none says so, whatever else lies in its folder.
  result.model_ = AutoModelForTextEncoding::from_pretrained(name, model_options).model;
  const bool has_own_tokenizer = beside_tokenizer.folder != snapshot.folder;
  if (snapshot.remote && !result.transformer_folder_.empty()) snapshot.fetch_texts();
  result.tokenizer_ = AutoTokenizer::from_pretrained(names_gguf          ? snapshot.weights_file
                                                     : has_own_tokenizer ? beside_tokenizer.folder
                                                                         : folder);
  result.read_limits(snapshot);
  return result;
}

void SentenceTransformer::read_modules(const Snapshot& snapshot) {
  if (!snapshot.has("modules.json")) return;
  const auto file = snapshot.file("modules.json");
  with_json(file, [&](const Json& modules) {
    for (const auto& module : modules.as_array()) read_module(snapshot, module);
  });
  with_optional_json(snapshot, "config_sentence_transformers.json", [&](const Json& settings) {
    const auto wanted = settings.get("default_prompt_name", "");
    if (wanted.empty()) return;
    const auto* texts = settings.find("prompts");
    if (!texts || !texts->contains(wanted))
      throw OSError(str(snapshot.folder / "config_sentence_transformers.json", ": default_prompt_name is ",
                        quote(wanted), ", which is none of the prompts"));
    prompt_ = texts->get(wanted, "");
  });
}

void SentenceTransformer::read_module(const Snapshot& snapshot, const Json& module) {
  const auto type = module.get("type", ""), path = module.get("path", "");
  const auto kind = type.substr(type.rfind('.') + 1);
  if (!path.empty()) static_cast<void>(path_inside(snapshot.folder, path, "modules.json"));
  if (kind == "Transformer")
    transformer_folder_ = path;
  else if (kind == "Pooling")
    pooling_ = read_pooling(snapshot, (fs::path(path) / "config.json").native());
  else if (kind == "Normalize")
    normalizes_ = true;
  else
    throw NotImplementedError(
        str(snapshot.folder / "modules.json", ": the module ", quote(type), " is not part of this version"));
}

void SentenceTransformer::read_limits(const Snapshot& snapshot) {
  const auto positions = model_->config->get("max_position_embeddings");
  const int64_t most = positions.is_int() ? positions.as_int() : std::numeric_limits<int64_t>::max();
  max_seq_length_ = std::min(tokenizer_->model_max_length(), most);
  const auto name = (fs::path(transformer_folder_) / "sentence_bert_config.json").native();
  with_optional_json(snapshot, name, [&](const Json& settings) {
    lowers_case_ = settings.get("do_lower_case", false);
    max_seq_length_ = settings.get("max_seq_length", max_seq_length_);
  });
  const auto where = snapshot.folder / name;
  if (max_seq_length_ > most) {
    logging::warning(str(where, ": max_seq_length is ", max_seq_length_, ", the model has ", most,
                         " positions; sentences are cut there"));
    max_seq_length_ = most;
  }
  const auto special = static_cast<int64_t>(tokenizer_->encode("").size());
  if (max_seq_length_ <= special)
    throw ValueError(str(where, ": max_seq_length is ", max_seq_length_, ", expected more than the ", special,
                         " special tokens of a sentence"));
}

int64_t SentenceTransformer::size() const {
  const auto& p = pooling_;
  const int64_t modes =
      p.cls_token + p.max_tokens + p.mean_tokens + p.mean_sqrt_len_tokens + p.weightedmean_tokens + p.lasttoken;
  const auto width = model_->config->get("hidden_size");
  const auto other = model_->config->get("d_model");
  if (!width.is_int() && !other.is_int())
    throw ValueError(str(model_->name_or_path, ": its config has no hidden_size"));
  return modes * (width.is_int() ? width : other).as_int();
}

at::Tensor SentenceTransformer::encode_batch(std::span<const Encoding* const> sentences) const {
  const auto rows = static_cast<int64_t>(sentences.size());
  size_t longest = 1;
  for (const auto* sentence : sentences) longest = std::max(longest, sentence->ids.size());
  const auto pad = tokenizer_->special_token_id("pad_token").value_or(0);
  const auto ids = at::full({rows, static_cast<int64_t>(longest)}, pad, at::kLong);
  const auto mask = at::zeros(ids.sizes(), at::kLong);
  for (int64_t row = 0; row < rows; ++row) {
    const auto& tokens = sentences[static_cast<size_t>(row)]->ids;
    std::copy(tokens.begin(), tokens.end(), ids.mutable_data_ptr<int64_t>() + row * ids.size(1));
    mask[row].narrow(0, 0, static_cast<int64_t>(tokens.size())).fill_(1);
  }
  const auto output = model_->forward({.input_ids = ids, .attention_mask = mask});
  auto pooled = pool(output.last_hidden_state, mask, pooling_);
  if (normalizes_) pooled = pooled / pooled.norm(2, {1}, true).clamp_min(1e-12);
  return pooled;
}

at::Tensor SentenceTransformer::encode(std::span<const std::string> sentences, const EncodeOptions& options) const {
  if (options.batch_size < 1) throw ValueError(str("batch_size is ", options.batch_size, ", expected at least 1"));
  const at::NoGradGuard no_grad;
  const auto texts = cleaned(sentences, prompt_, lowers_case_);
  const auto encodings =
      (*tokenizer_)(std::span<const std::string>(texts), {.truncation = true, .max_length = max_seq_length_});
  const auto order = by_length(encodings);
  auto result = at::empty({static_cast<int64_t>(texts.size()), size()}, at::kFloat);
  for (size_t begin = 0; begin < order.size(); begin += static_cast<size_t>(options.batch_size)) {
    const auto count = std::min(static_cast<size_t>(options.batch_size), order.size() - begin);
    std::vector<const Encoding*> batch;
    for (size_t i = 0; i < count; ++i) batch.push_back(&encodings[order[begin + i]]);
    const auto embeddings = encode_batch(batch);
    for (size_t i = 0; i < count; ++i)
      result[static_cast<int64_t>(order[begin + i])].copy_(embeddings[static_cast<int64_t>(i)]);
  }
  return result;
}

}  // namespace transformers
