#include <algorithm>
#include <optional>
#include <unordered_map>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/gguf_pre_tokenizers.h"
#include "transformers/mapping/dialects/detail/gguf_fields.h"

namespace transformers::detail {

namespace {

constexpr std::string_view kFile = "tokenizer.json";
enum TokenType : int64_t { kNormal = 1, kControl = 3, kUserDefined = 4, kUnused = 5 };

[[noreturn]] void refuse(const std::string& reason) { throw ValueError(str(kFile, ": ", reason)); }

std::string type_of(const Json* part) { return part && part->is_object() ? part->get("type", "") : std::string(); }

// The steps of a part that may be a sequence of them.
std::vector<const Json*> steps_of(const Json& tokenizer, std::string_view part, std::string_view members) {
  const Json* json = tokenizer.find(part);
  if (!json || json->is_null()) return {};
  if (type_of(json) != "Sequence") return {json};
  std::vector<const Json*> out;
  const Json* list = json->find(members);
  if (!list || !list->is_array()) refuse(str(quote(part), " is a sequence without ", quote(members)));
  for (const auto& step : list->as_array()) out.push_back(&step);
  return out;
}

// How the text is split before the merges: an expression, digits one by one, or GPT-2's way.
struct Splitting {
  std::string expression = {};
  bool splits_digits = false, has_bytes = false, is_unknown = false;
};

Splitting splitting_of(const Json& tokenizer) {
  Splitting out;
  for (const Json* step : steps_of(tokenizer, "pre_tokenizer", "pretokenizers")) {
    const auto type = type_of(step);
    if (type == "ByteLevel") {
      out.has_bytes = true;
      out.is_unknown |= step->get("add_prefix_space", true);
      out.is_unknown |= step->get("use_regex", true) == !out.expression.empty();
    } else if (type == "Digits" && out.expression.empty()) {
      out.splits_digits = true;
      out.is_unknown |= !step->get("individual_digits", false);
    } else if (type == "Split" && out.expression.empty()) {
      const Json* pattern = step->find("pattern");
      out.expression = pattern && pattern->is_object() ? pattern->get("Regex", "") : "";
      const bool isolates = step->get("behavior", "") == "Isolated" && !step->get("invert", false);
      out.is_unknown |= out.expression.empty() || !isolates;
    } else {
      out.is_unknown = true;
    }
  }
  return out;
}

std::string_view pre_tokenizer_name(const Json& tokenizer) {
  const auto found = splitting_of(tokenizer);
  if (!found.has_bytes) refuse("no byte-level tokenizer; only byte-level BPE can be written as GGUF");
  for (const auto& row : gguf_pre_tokenizers())
    if (!found.is_unknown && row.is_written && row.split == found.expression &&
        row.splits_digits == found.splits_digits)
      return row.name;
  const Json* part = tokenizer.find("pre_tokenizer");
  refuse(str("splits text in a way for which 'tokenizer.ggml.pre' has no name known here: ", quote(part->dump(), 300)));
}

void check_model(const Json& tokenizer) {
  const Json* model = tokenizer.find("model");
  if (type_of(model) != "BPE" || model->get("byte_fallback", false))
    refuse(str("is of type ", quote(type_of(model)),
               "; only byte-level BPE can be written as GGUF: leave the tokenizer out to write the weights alone"));
  for (const Json* step : steps_of(tokenizer, "normalizer", "normalizers"))
    if (type_of(step) != "NFC")  // which llama.cpp leaves out, for Qwen2 among others
      refuse(str("normalises text by ", quote(type_of(step)), ", which GGUF cannot say"));
}

class Vocabulary {
 public:
  explicit Vocabulary(int64_t size) : size_(size) {
    constexpr int64_t kMostTokens = 1 << 24;
    if (size > kMostTokens)
      refuse(str("a vocabulary of ", size, " tokens is larger than the ", kMostTokens, " allowed"));
    texts_.resize(static_cast<size_t>(size));
    types_.resize(static_cast<size_t>(size), kUnused);
  }

  void set(const std::string& text, const Json* id, int64_t type) {
    if (!id || !id->is_int() || id->as_int() < 0 || id->as_int() >= size_)
      refuse(str("the token ", quote(text), " has the id ", id ? id->dump() : "null", ", the model has ", size_,
                 " tokens"));
    const auto at = static_cast<size_t>(id->as_int());
    if (types_[at] != kUnused && texts_[at] != text)
      refuse(str("the tokens ", quote(texts_[at]), " and ", quote(text), " share the id ", at));
    texts_[at] = text;
    types_[at] = type;
  }

  void fill(const Json& tokenizer) {
    const Json* vocab = tokenizer.at("model").find("vocab");
    if (!vocab || !vocab->is_object()) refuse("the model has no 'vocab'");
    for (const auto& [text, id] : vocab->as_object()) set(text, &id, kNormal);
    if (const Json* added = tokenizer.find("added_tokens"); added && added->is_array())
      for (const auto& token : added->as_array())
        set(token.at("content").as_string(), token.find("id"), token.get("special", false) ? kControl : kUserDefined);
    for (size_t i = 0; i < texts_.size(); ++i) {
      if (types_[i] == kUnused) texts_[i] = str("[PAD", i, "]");  // rows of the embedding without a token
      ids_.emplace(texts_[i], static_cast<int64_t>(i));
    }
  }

  [[nodiscard]] std::optional<int64_t> find(std::string_view text) const {
    const auto it = ids_.find(text);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
  }

  void state(Json& metadata) const {
    Json::Array texts(texts_.begin(), texts_.end()), types(types_.begin(), types_.end());
    metadata["tokenizer.ggml.tokens"] = std::move(texts);
    metadata["tokenizer.ggml.token_type"] = std::move(types);
  }

 private:
  int64_t size_;
  std::vector<std::string> texts_;
  std::vector<int64_t> types_;
  std::unordered_map<std::string_view, int64_t> ids_;  // views into texts_
};

// "left right" each, from that form or from pairs.
Json merges_of(const Json& model) {
  const Json* merges = model.find("merges");
  if (!merges || !merges->is_array()) refuse("the model has no 'merges'");
  Json::Array out;
  out.reserve(merges->size());
  for (const auto& merge : merges->as_array()) {
    const bool is_pair = merge.is_array() && merge.size() == 2;
    out.emplace_back(is_pair ? str(merge.as_array()[0].as_string(), " ", merge.as_array()[1].as_string())
                             : merge.as_string());
    const auto& text = out.back().as_string();
    if (std::count(text.begin(), text.end(), ' ') != 1) refuse(str("the merge ", quote(text), " is no pair of tokens"));
  }
  return out;
}

// A special token is text, or an object with its text.
std::string content_of(const Json* token) {
  if (token && token->is_object()) token = token->find("content");
  return token && token->is_string() ? token->as_string() : std::string();
}

void state_roles(const GgufTokenizerFiles& files, const Vocabulary& vocabulary, Json& metadata) {
  constexpr std::pair<const char*, const char*> kRoles[] = {{"bos_token", "tokenizer.ggml.bos_token_id"},
                                                            {"eos_token", "tokenizer.ggml.eos_token_id"},
                                                            {"unk_token", "tokenizer.ggml.unknown_token_id"},
                                                            {"pad_token", "tokenizer.ggml.padding_token_id"}};
  for (const auto& [role, key] : kRoles) {
    auto text = content_of(files.config.find(role));
    if (text.empty()) text = content_of(files.special_tokens.find(role));
    if (text.empty()) continue;
    const auto id = vocabulary.find(text);
    if (!id) refuse(str("has no token ", quote(text), ", which is the ", quote(role)));
    metadata[key] = *id;
  }
}

bool is_special(const Json& piece) { return piece.contains("SpecialToken"); }

// Whether a text gets a first and a last token: by the settings, else by the template.
void state_ends(const GgufTokenizerFiles& files, Json& metadata) {
  bool bos = files.config.get("add_bos_token", false), eos = files.config.get("add_eos_token", false);
  if (!files.config.contains("add_bos_token") && !files.config.contains("add_eos_token")) {
    for (const Json* step : steps_of(files.tokenizer, "post_processor", "processors")) {
      const Json* single = type_of(step) == "TemplateProcessing" ? step->find("single") : nullptr;
      if (!single || !single->is_array() || single->size() == 0) continue;
      bos = is_special(single->as_array().front());
      eos = is_special(single->as_array().back());
    }
  }
  metadata["tokenizer.ggml.add_bos_token"] = bos;
  metadata["tokenizer.ggml.add_eos_token"] = eos;
}

void state_templates(const GgufTokenizerFiles& files, Json& metadata) {
  if (!files.chat_template.empty()) {
    metadata["tokenizer.chat_template"] = files.chat_template;
    return;
  }
  const Json* given = files.config.find("chat_template");
  if (!given || given->is_null()) return;
  if (given->is_string()) {
    metadata["tokenizer.chat_template"] = *given;
    return;
  }
  if (!given->is_array()) throw ValueError("tokenizer_config.json: 'chat_template' is neither a string nor a list");
  Json::Array names;
  for (const auto& entry : given->as_array()) {
    const auto name = entry.at("name").as_string();
    if (name == "default") {
      metadata["tokenizer.chat_template"] = entry.at("template");
      continue;
    }
    metadata[str("tokenizer.chat_template.", name)] = entry.at("template");
    names.emplace_back(name);
  }
  if (!names.empty()) metadata["tokenizer.chat_templates"] = std::move(names);
}

}  // namespace

void state_gguf_tokenizer(const GgufTokenizerFiles& files, int64_t vocab_size, Json& metadata) {
  if (files.tokenizer.is_null()) {
    metadata["tokenizer.ggml.model"] = "none";
    return;
  }
  check_model(files.tokenizer);
  metadata["tokenizer.ggml.model"] = "gpt2";
  metadata["tokenizer.ggml.pre"] = pre_tokenizer_name(files.tokenizer);
  Vocabulary vocabulary(vocab_size);
  vocabulary.fill(files.tokenizer);
  vocabulary.state(metadata);
  metadata["tokenizer.ggml.merges"] = merges_of(files.tokenizer.at("model"));
  state_roles(files, vocabulary, metadata);
  state_ends(files, metadata);
  state_templates(files, metadata);
}

}  // namespace transformers::detail
