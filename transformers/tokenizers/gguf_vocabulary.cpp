#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/gguf_pre_tokenizers.h"
#include "transformers/tokenizers/detail/tokenizer_state.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers {
namespace {

using detail::AddedToken;
using detail::Fields;

std::string_view split_of(const Fields& fields) {
  const std::string name = fields.text("tokenizer.ggml.pre", "default");
  for (const auto& row : gguf_pre_tokenizers())
    if (row.name == name) return row.split;
  std::vector<std::string> known;
  for (const auto& row : gguf_pre_tokenizers()) known.emplace_back(row.name);
  const auto close = nearest(name, known);
  fields.fail("tokenizer.ggml.pre", str("is ", quote(name), ", an unknown way to split text",
                                        close.empty() ? std::string() : str("; near it are ", join(close, ", "))));
}

// The tokens and their kinds, checked against each other.
struct Tokens {
  const Json::Array* texts = nullptr;
  const Json::Array* types = nullptr;  // may be absent

  explicit Tokens(const Fields& fields) : texts(&fields.list("tokenizer.ggml.tokens")) {
    for (size_t i = 0; i < texts->size(); ++i)
      if (!(*texts)[i].is_string() || !is_utf8((*texts)[i].as_string()))
        fields.fail("tokenizer.ggml.tokens", str("must hold UTF-8 text, entry ", i, " does not"));
    if (fields.find("tokenizer.ggml.token_type") == nullptr) return;
    types = &fields.list("tokenizer.ggml.token_type");
    for (const auto& type : *types)
      if (!type.is_int()) fields.fail("tokenizer.ggml.token_type", str("must hold integers, found ", type.type_name()));
  }
  [[nodiscard]] const std::string& text(size_t i) const { return (*texts)[i].as_string(); }
  [[nodiscard]] int64_t type(size_t i) const {
    return types != nullptr && i < types->size() ? (*types)[i].as_int() : 1;
  }
};

bool is_byte_alphabet(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto [c, size] = detail::decode_at(text, at);
    if (detail::char_to_byte(c) < 0) return false;
    at += size;
  }
  return true;
}

// Tokens outside the byte alphabet stand for their own text, which is spelt in it here.
detail::Vocabulary read_vocabulary(const Tokens& tokens) {
  size_t bytes = 0;
  for (size_t i = 0; i < tokens.texts->size(); ++i) bytes += tokens.text(i).size();
  detail::Vocabulary vocabulary;
  vocabulary.reserve(tokens.texts->size(), bytes);
  std::string spelt;
  for (size_t i = 0; i < tokens.texts->size(); ++i) {
    const std::string& text = tokens.text(i);
    if (is_byte_alphabet(text)) {
      vocabulary.add(text, static_cast<uint32_t>(i));
      continue;
    }
    spelt.clear();
    for (const char c : text) detail::append_utf8(spelt, detail::byte_to_char(static_cast<uint8_t>(c)));
    vocabulary.add(spelt, static_cast<uint32_t>(i));
  }
  return vocabulary;
}

detail::Merges read_merges(const Fields& fields) {
  const auto& list = fields.list("tokenizer.ggml.merges");
  detail::Merges merges;
  merges.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string_view text = list[i].is_string() ? std::string_view(list[i].as_string()) : std::string_view();
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
      fields.fail("tokenizer.ggml.merges", str("must hold pairs \"left right\", entry ", i, " is ", quote(text)));
    merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return merges;
}

// Control tokens are special, user-defined ones only kept whole. A control token outside the byte alphabet is a
// mislabel of the converter and left out, as in the reference.
std::vector<AddedToken> added_tokens(const Tokens& tokens, const detail::Vocabulary& vocabulary) {
  constexpr int64_t kControl = 3, kUserDefined = 4;
  std::vector<AddedToken> out = {{.content = "<|endoftext|>", .normalized = false, .special = true}};
  for (size_t i = 0; i < tokens.texts->size(); ++i)
    if (tokens.type(i) == kControl && is_byte_alphabet(tokens.text(i)))
      out.push_back({.content = tokens.text(i), .normalized = false, .special = true});
  for (size_t i = 0; i < tokens.texts->size(); ++i)
    if (tokens.type(i) == kUserDefined && vocabulary.find(tokens.text(i)))
      out.push_back({.content = tokens.text(i), .normalized = false, .special = false});
  return out;
}

void read_roles(const Fields& fields, const Tokens& tokens, detail::Settings& settings) {
  constexpr std::pair<const char*, const char*> kKeys[] = {{"bos_token", "tokenizer.ggml.bos_token_id"},
                                                           {"eos_token", "tokenizer.ggml.eos_token_id"},
                                                           {"unk_token", "tokenizer.ggml.unknown_token_id"},
                                                           {"pad_token", "tokenizer.ggml.padding_token_id"}};
  for (const auto& [role, key] : kKeys) {
    if (fields.find(key) == nullptr) continue;
    const auto id = static_cast<size_t>(fields.number(key));
    if (id >= tokens.texts->size())
      fields.fail(key, str("is ", id, ", the vocabulary has ", tokens.texts->size(), " tokens"));
    settings.set(role, {.content = tokens.text(id), .normalized = false, .special = true});
  }
}

}  // namespace

std::shared_ptr<PreTrainedTokenizer> AutoTokenizer::from_gguf(const Json& metadata, std::string_view where) {
  const Fields fields(metadata, std::string(where));
  const std::string kind = fields.text("tokenizer.ggml.model");
  if (kind != "gpt2")
    fields.fail("tokenizer.ggml.model", str("is ", quote(kind), "; only byte-level BPE, 'gpt2', is supported"));
  const std::string_view split = split_of(fields);
  const Tokens tokens(fields);
  auto vocabulary = read_vocabulary(tokens);
  const auto added = added_tokens(tokens, vocabulary);
  auto pipeline = detail::make_byte_level(std::move(vocabulary), read_merges(fields), split, false, std::string(where));
  pipeline->added.add(added, pipeline->model->vocabulary(), nullptr);
  detail::Settings settings;
  read_roles(fields, tokens, settings);
  settings.sets_post_processor = true;
  settings.add_bos = fields.flag("tokenizer.ggml.add_bos_token", false);
  settings.add_eos = fields.flag("tokenizer.ggml.add_eos_token", false);
  if (fields.find("tokenizer.chat_template") != nullptr)
    settings.chat_templates["default"] = fields.text("tokenizer.chat_template");
  return detail::assemble(std::move(pipeline), std::move(settings));
}

}  // namespace transformers
