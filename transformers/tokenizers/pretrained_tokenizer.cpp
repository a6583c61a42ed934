#include <algorithm>
#include <limits>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/auto_tokenizer.h"
#include "transformers/tokenizers/detail/tokenizer_state.h"

namespace transformers {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// Of WordPiece tokenizers that ask for it. Unlike the decoder's clean-up, "do not" stays.
std::string clean_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},     {" ?", "?"},   {" !", "!"},   {" ,", ","},     {" ' ", "'"},
      {" n't", "n't"}, {" 'm", "'m"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kReplacements) text = replace_all(text, from, to);
  return text;
}

const char* side_name(Side side) { return side == Side::Left ? "left" : "right"; }

// The messages as templates see them: without null fields, and with the names under which reasoning is looked for.
Json prepared_messages(const Json& messages) {
  constexpr const char* kReasoning[] = {"reasoning_content", "reasoning", "thinking"};
  if (!messages.is_array() || messages.size() == 0)
    throw ValueError(str("a chat template needs a list of at least one message, found ",
                         messages.is_array() ? "an empty list" : messages.type_name()));
  Json out = Json::list();
  for (const auto& message : messages.as_array()) {
    if (!message.is_object()) throw ValueError(str("chat messages must be objects, found ", message.type_name()));
    Json kept = Json::object();
    for (const auto& [key, value] : message.as_object())
      if (!value.is_null()) kept[key] = value;
    for (const auto* name : kReasoning) {
      const Json* const reasoning = kept.find(name);
      if (reasoning == nullptr) continue;
      const Json value = *reasoning;
      if (!kept.contains("thinking")) kept["thinking"] = value;
      kept["reasoning_content"] = value;
      break;
    }
    out.push_back(std::move(kept));
  }
  return out;
}

std::vector<std::string> names_of(const std::map<std::string, std::string>& templates) {
  std::vector<std::string> names;
  names.reserve(templates.size());
  for (const auto& [name, text] : templates) names.push_back(name);
  return names;
}

std::string choose_template(const std::map<std::string, std::string>& templates,
                            const PreTrainedTokenizer::ChatOptions& options) {
  if (options.chat_template) {
    const auto it = templates.find(*options.chat_template);
    const bool is_named = it != templates.end() && (templates.size() > 1 || it->first != "default");
    return is_named ? it->second : *options.chat_template;
  }
  if (!options.tools.is_null() && templates.contains("tool_use")) return templates.at("tool_use");
  if (templates.contains("default")) return templates.at("default");
  if (templates.empty())
    throw ValueError(
        "this tokenizer has no chat template; pass one, or use a model that was trained for conversations");
  throw ValueError(
      str("this tokenizer has several chat templates and no default; choose one of ", join(names_of(templates), ", ")));
}

}  // namespace

PreTrainedTokenizer::PreTrainedTokenizer(std::shared_ptr<State> state) : state_(std::move(state)) {}

std::vector<int64_t> PreTrainedTokenizer::encode(std::string_view text, bool add_special_tokens) const {
  return state_->backend->encode(text, add_special_tokens).ids;
}

std::shared_ptr<Tokenizer> PreTrainedTokenizer::configured(const CallOptions& options) const {
  auto backend = state_->backend->copy();
  const int64_t most = options.max_length.value_or(model_max_length());
  if (options.truncation && most != kNoLimit)
    backend->set_truncation(
        TruncationOptions{.max_length = most, .stride = options.stride, .direction = state_->truncation_side});
  if (!options.padding) return backend;
  const auto token = special_token("pad_token");
  const auto id = special_token_id("pad_token");
  if (!token || !id)
    throw ValueError("padding needs a pad_token, and this tokenizer has none; name one in tokenizer_config.json");
  backend->set_padding(PaddingOptions{.length = options.max_length,
                                      .direction = options.padding_side.value_or(state_->padding_side),
                                      .pad_to_multiple_of = options.pad_to_multiple_of,
                                      .pad_id = *id,
                                      .pad_token = *token});
  return backend;
}

std::vector<Encoding> PreTrainedTokenizer::operator()(std::span<const std::string> texts,
                                                      const CallOptions& options) const {
  return configured(options)->encode_batch(texts, options.add_special_tokens);
}

std::vector<Encoding> PreTrainedTokenizer::operator()(std::span<const std::pair<std::string, std::string>> pairs,
                                                      const CallOptions& options) const {
  return configured(options)->encode_pairs(pairs, options.add_special_tokens);
}

std::string PreTrainedTokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  std::string text = state_->backend->decode(ids, skip_special_tokens);
  // The reference, too, refuses to clean up what byte-level models decode: it would eat spaces that belong there.
  return state_->settings.cleans_up && !state_->is_bpe ? clean_up(std::move(text)) : text;
}

std::string PreTrainedTokenizer::apply_chat_template(const Json& messages, const ChatOptions& options) const {
  const std::string source = choose_template(state_->settings.chat_templates, options);
  Json variables = Json::object();
  for (const auto& [role, token] : state_->settings.special) variables[role] = token.content;
  if (options.kwargs.is_object())
    for (const auto& [name, value] : options.kwargs.as_object()) variables[name] = value;
  variables["messages"] = prepared_messages(messages);
  variables["tools"] = options.tools;
  if (!variables.contains("documents")) variables["documents"] = Json();
  variables["add_generation_prompt"] = options.add_generation_prompt;
  std::shared_ptr<const ChatTemplate> compiled;
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->compiled.size() > 16) state_->compiled.clear();
    auto& entry = state_->compiled[source];
    if (entry == nullptr) entry = std::make_shared<const ChatTemplate>(source);
    compiled = entry;
  }
  return compiled->render(variables);
}

bool PreTrainedTokenizer::has_chat_template() const { return !state_->settings.chat_templates.empty(); }

std::optional<std::string> PreTrainedTokenizer::special_token(std::string_view role) const {
  const auto* const token = state_->settings.find(role);
  return token == nullptr ? std::nullopt : std::optional(token->content);
}

std::optional<int64_t> PreTrainedTokenizer::special_token_id(std::string_view role) const {
  const auto token = special_token(role);
  return token ? state_->backend->token_to_id(*token) : std::nullopt;
}

const std::shared_ptr<Tokenizer>& PreTrainedTokenizer::backend() const { return state_->backend; }
int64_t PreTrainedTokenizer::model_max_length() const { return state_->settings.model_max_length.value_or(kNoLimit); }
Side PreTrainedTokenizer::padding_side() const { return state_->padding_side; }
Side PreTrainedTokenizer::truncation_side() const { return state_->truncation_side; }
void PreTrainedTokenizer::set_padding_side(Side side) { state_->padding_side = side; }

void PreTrainedTokenizer::save_pretrained(const std::filesystem::path& folder) const {
  std::filesystem::create_directories(folder);
  const auto file_view = state_->backend->copy();
  file_view->set_truncation(state_->file_truncation);
  file_view->set_padding(state_->file_padding);
  write_text_atomic(folder / "tokenizer.json", file_view->to_json().dump({.indent = 2}));

  const auto& settings = state_->settings;
  Json config = settings.config, map = Json::object(), extra = Json::list();
  for (const auto* stale : {"added_tokens_decoder", "additional_special_tokens", "extra_special_tokens",
                            "chat_template", "add_bos_token", "add_eos_token"})
    config.erase(stale);
  for (const auto& [role, token] : settings.special) config[role] = map[role] = token.content;
  for (const auto& token : settings.extra_special) extra.push_back(token.content);
  if (extra.size() > 0) config["extra_special_tokens"] = extra;
  if (!settings.model_max_length) config["model_max_length"] = 1e30;
  config["padding_side"] = side_name(state_->padding_side);
  config["truncation_side"] = side_name(state_->truncation_side);
  config["clean_up_tokenization_spaces"] = settings.cleans_up;
  // Everything is in tokenizer.json; a model's own class would build parts of it anew.
  config["tokenizer_class"] = "TokenizersBackend";
  write_text_atomic(folder / "tokenizer_config.json", config.dump({.indent = 2, .sort_keys = true}) + "\n");
  write_text_atomic(folder / "special_tokens_map.json", map.dump({.indent = 2}) + "\n");
  for (const auto& [name, text] : settings.chat_templates) {
    if (name == "default") {
      write_text_atomic(folder / "chat_template.jinja", text);
      continue;
    }
    const auto more = folder / "additional_chat_templates";
    std::filesystem::create_directories(more);
    write_text_atomic(path_inside(more, name + ".jinja", "a chat template's name"), text);
  }
}

}  // namespace transformers
