#include "apps/cli/torch/chat_session.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <chrono>

#include "apps/cli/torch/interrupt.h"
#include "transformers/base/strings.h"
#include "transformers/generation/streamers.h"

namespace transformers::cli {

namespace {

using Clock = std::chrono::steady_clock;

// Hands the tokens on and notes when the first and the last came.
class TimedStreamer final : public BaseStreamer {
 public:
  explicit TimedStreamer(TextStreamer inner) : inner_(std::move(inner)) {}
  void put(const at::Tensor& ids) override {
    if (calls_ == 1) first_ = Clock::now();
    ++calls_;
    last_ = Clock::now();
    inner_.put(ids);
  }
  void end() override { inner_.end(); }
  [[nodiscard]] double first_token_s() const { return std::chrono::duration<double>(first_ - start_).count(); }
  [[nodiscard]] double tokens_per_s(int64_t tokens) const {
    const auto seconds = std::chrono::duration<double>(last_ - first_).count();
    return tokens > 1 && seconds > 0 ? static_cast<double>(tokens - 1) / seconds : 0;
  }

 private:
  TextStreamer inner_;
  Clock::time_point start_ = Clock::now(), first_ = start_, last_ = start_;
  int calls_ = 0;  // the first is the prompt's
};

Json message(std::string_view role, const std::string& content) {
  return Json::Object{{"role", role}, {"content", content}};
}

}  // namespace

ChatSession::ChatSession(std::shared_ptr<PreTrainedModel> model, std::shared_ptr<PreTrainedTokenizer> tokenizer,
                         Options options)
    : model_(std::move(model)), tokenizer_(std::move(tokenizer)), options_(std::move(options)) {
  if (!tokenizer_->has_chat_template())
    throw ValueError(str(model_->name_or_path, ": has no chat template; `generate` continues a plain text"));
  // A total length is no measure for a conversation that grows.
  if (model_->generation_config && !options_.generation.contains("max_length"))
    model_->generation_config->max_length.reset();
}

void ChatSession::set_system(const std::string& text) { system_ = text; }

void ChatSession::reset() {
  turns_.clear();
  cache_ = nullptr;
  cached_ids_.clear();
}

Json ChatSession::messages() const {
  Json list = Json::list();
  if (!system_.empty()) list.push_back(message("system", system_));
  for (const auto& turn : turns_) list.push_back(turn);
  return list;
}

std::vector<int64_t> ChatSession::prompt_ids() const {
  return tokenizer_->encode(tokenizer_->apply_chat_template(messages(), {.add_generation_prompt = true}), false);
}

// The user's fields, with a length that fits and every id that ends a turn.
Json ChatSession::generation_fields(int64_t prompt_length, bool& is_cut_by_context) const {
  auto fields = options_.generation;
  auto wanted = fields.get("max_new_tokens", kMostNewTokens);
  const auto most = model_->config->get("max_position_embeddings");
  if (most.is_int() && most.as_int() <= prompt_length)
    throw ValueError(str("the conversation has ", prompt_length, " tokens and the model's context ", most.as_int(),
                         "; /reset begins a new one"));
  is_cut_by_context = most.is_int() && most.as_int() - prompt_length < wanted;
  if (is_cut_by_context) wanted = most.as_int() - prompt_length;
  if (!fields.contains("max_length")) fields["max_new_tokens"] = wanted;
  if (!fields.contains("eos_token_id")) {
    const auto& config = model_->generation_config;
    auto ids = token_ids(config ? config->eos_token_id : Json(), "eos_token_id");
    const auto own = tokenizer_->special_token_id("eos_token");
    if (own && std::find(ids.begin(), ids.end(), *own) == ids.end()) ids.push_back(*own);
    Json list = Json::list();
    for (const auto id : ids) list.push_back(id);
    if (!ids.empty()) fields["eos_token_id"] = std::move(list);
  }
  return fields;
}

// Keeps of the cache what the prompt begins with; at least one token is left to compute.
void ChatSession::reuse_cache(const std::vector<int64_t>& prompt) {
  if (!options_.generation.get("use_cache", true) || options_.generation.contains("cache_implementation")) return;
  const auto most = std::min(prompt.size() - 1, cached_ids_.size());
  const auto same = static_cast<size_t>(
      std::mismatch(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(most), cached_ids_.begin()).first -
      prompt.begin());
  try {
    if (cache_ && same > 0 && same < cached_ids_.size()) cache_->crop(static_cast<int64_t>(same));
  } catch (const ValueError&) {  // a sliding window has forgotten what would be needed
    cache_ = nullptr;
  }
  if (!cache_ || same == 0) cache_ = model_->make_cache();
}

Reply ChatSession::generate(const std::vector<int64_t>& prompt, const std::function<void(std::string_view)>& sink) {
  bool is_cut_by_context = false;
  const auto prompt_length = static_cast<int64_t>(prompt.size());
  const auto decode = [this](std::span<const int64_t> ids) { return tokenizer_->decode(ids, true); };
  const auto streamer = std::make_shared<TimedStreamer>(TextStreamer(decode, sink, /*skip_prompt=*/true));
  GenerateOptions options{.kwargs = generation_fields(prompt_length, is_cut_by_context),
                          .stopping_criteria = {std::make_shared<StopOnInterrupt>()},
                          .streamer = streamer,
                          .decode = [this](std::span<const int64_t> ids) { return tokenizer_->decode(ids); }};
  if (options_.seed) options.seed = *options_.seed + turn_;
  const auto eos =
      token_ids(options.kwargs.contains("eos_token_id") ? options.kwargs.at("eos_token_id") : Json(), "eos_token_id");
  const auto limit = options.kwargs.get("max_new_tokens", std::numeric_limits<int64_t>::max());
  reuse_cache(prompt);
  const auto ids = at::tensor(prompt, at::kLong).unsqueeze(0);
  const auto sequences =
      model_->generate({.input_ids = ids, .past_key_values = cache_}, options).sequences.cpu().contiguous();
  const std::span<const int64_t> all(sequences.const_data_ptr<int64_t>(), static_cast<size_t>(sequences.size(1)));
  if (cache_)
    cached_ids_.assign(all.begin(), all.begin() + std::min<std::ptrdiff_t>(cache_->length(), sequences.size(1)));

  const auto made = all.subspan(prompt.size());
  const auto count = static_cast<int64_t>(made.size());
  Reply reply{.text = tokenizer_->decode(made, true),
              .tokens = count,
              .first_token_s = streamer->first_token_s(),
              .tokens_per_s = streamer->tokens_per_s(count)};
  const bool is_ended = !made.empty() && std::find(eos.begin(), eos.end(), made.back()) != eos.end();
  if (is_interrupted())
    reply.end = Reply::End::Interrupted;
  else if (!is_ended && count >= limit)
    reply.end = is_cut_by_context ? Reply::End::ContextFull : Reply::End::TokenLimit;
  return reply;
}

Reply ChatSession::answer(const std::string& text, const std::function<void(std::string_view)>& sink) {
  turns_.push_back(message("user", text));
  try {
    auto reply = generate(prompt_ids(), sink);
    turns_.push_back(message("assistant", reply.text));
    ++turn_;
    return reply;
  } catch (...) {
    turns_.pop_back();
    cache_ = nullptr;  // may hold half of a turn
    cached_ids_.clear();
    throw;
  }
}

}  // namespace transformers::cli
