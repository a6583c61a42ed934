#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/tokenizer_state.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {
namespace {

namespace fs = std::filesystem;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string_view without_trailing_space(std::string_view line) {
  while (!line.empty()) {
    size_t at = line.size() - 1;
    while (at > 0 && is_continuation(line[at])) --at;
    if (!is_space(decode_at(line, at).c)) break;
    line = line.substr(0, at);
  }
  return line;
}

std::string read_utf8(const fs::path& file) {
  std::string text = read_text(file);
  if (!is_utf8(text)) throw ValueError(str(file, ": is not UTF-8 text"));
  return text;
}

Json special_piece(const AddedToken& token, int64_t type) {
  return Json(Json::Object{{"SpecialToken", Json(Json::Object{{"id", token.content}, {"type_id", type}})}});
}

Json sequence_piece(const char* id, int64_t type) {
  return Json(Json::Object{{"Sequence", Json(Json::Object{{"id", id}, {"type_id", type}})}});
}

Json bert_template(const AddedToken& cls, int64_t cls_id, const AddedToken& sep, int64_t sep_id) {
  const auto entry = [](const AddedToken& token, int64_t id) {
    return Json(Json::Object{{"id", token.content},
                             {"ids", Json(Json::Array{Json(id)})},
                             {"tokens", Json(Json::Array{Json(token.content)})}});
  };
  Json::Array single{special_piece(cls, 0), sequence_piece("A", 0), special_piece(sep, 0)};
  Json::Array pair = single;
  pair.push_back(sequence_piece("B", 1));
  pair.push_back(special_piece(sep, 1));
  return Json(Json::Object{
      {"type", "TemplateProcessing"},
      {"single", Json(std::move(single))},
      {"pair", Json(std::move(pair))},
      {"special_tokens", Json(Json::Object{{cls.content, entry(cls, cls_id)}, {sep.content, entry(sep, sep_id)}})}});
}

}  // namespace

std::shared_ptr<Pipeline> read_bert_vocabulary(const fs::path& file, Settings& settings) {
  const std::string text = read_utf8(file);
  Json vocab = Json::object();
  Vocabulary ids;
  Json::Object& entries = vocab.as_object();
  for (const auto line : lines_of(text)) {
    ids.add(without_trailing_space(line), static_cast<uint32_t>(entries.size()));
    entries.emplace_back(std::string(without_trailing_space(line)), Json(static_cast<int64_t>(entries.size())));
  }
  if (entries.empty()) throw ValueError(str(file, ": the vocabulary is empty"));
  for (const auto& [role, content] : {std::pair{"unk_token", "[UNK]"},
                                      {"sep_token", "[SEP]"},
                                      {"pad_token", "[PAD]"},
                                      {"cls_token", "[CLS]"},
                                      {"mask_token", "[MASK]"}})
    settings.set_default(role, content);
  const Fields config(settings.config, str(file.parent_path() / "tokenizer_config.json"));
  const auto* const cls = settings.find("cls_token");
  const auto* const sep = settings.find("sep_token");
  const auto* const unk = settings.find("unk_token");
  if (cls == nullptr || sep == nullptr || unk == nullptr)
    throw ValueError(
        str(file, ": tokenizer_config.json sets cls_token, sep_token or unk_token to null, which BERT needs"));
  const Json json(Json::Object{
      {"normalizer",
       Json(Json::Object{
           {"type", "BertNormalizer"},
           {"clean_text", true},
           {"handle_chinese_chars", config.flag("tokenize_chinese_chars", true)},
           {"strip_accents", config.find("strip_accents") == nullptr ? Json() : Json(config.flag("strip_accents"))},
           {"lowercase", config.flag("do_lower_case", true)}})},
      {"pre_tokenizer", Json(Json::Object{{"type", "BertPreTokenizer"}})},
      {"post_processor",
       bert_template(*cls, ids.find(cls->content).value_or(2), *sep, ids.find(sep->content).value_or(3))},
      {"decoder", Json(Json::Object{{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}})},
      {"model", Json(Json::Object{{"type", "WordPiece"},
                                  {"unk_token", unk->content},
                                  {"continuing_subword_prefix", "##"},
                                  {"max_input_chars_per_word", 100},
                                  {"vocab", std::move(vocab)}})}});
  settings.sets_post_processor = false;
  auto pipeline = std::make_shared<Pipeline>();
  pipeline->model = make_model(Fields(json.at("model"), str(file)));
  build_parts(*pipeline, json, str(file));
  return pipeline;
}

std::shared_ptr<Pipeline> make_byte_level(Vocabulary vocabulary, const Merges& merges, std::string_view split,
                                          bool add_prefix_space, const std::string& where) {
  const auto byte_level = [](bool adds_space, bool uses_regex) {
    return Json(Json::Object{
        {"type", "ByteLevel"}, {"add_prefix_space", adds_space}, {"trim_offsets", true}, {"use_regex", uses_regex}});
  };
  Json pre_tokenizer = byte_level(add_prefix_space, true);
  if (!split.empty())
    pre_tokenizer = Json(Json::Object{
        {"type", "Sequence"},
        {"pretokenizers", Json(Json::Array{Json(Json::Object{{"type", "Split"},
                                                             {"pattern", Json(Json::Object{{"Regex", split}})},
                                                             {"behavior", "Isolated"},
                                                             {"invert", false}}),
                                           byte_level(false, false)})}});
  auto pipeline = std::make_shared<Pipeline>();
  pipeline->model =
      make_bpe(std::move(vocabulary), merges, {.continuing_subword_prefix = "", .end_of_word_suffix = ""}, where);
  build_parts(*pipeline,
              Json(Json::Object{{"pre_tokenizer", std::move(pre_tokenizer)}, {"decoder", byte_level(true, true)}}),
              where);
  return pipeline;
}

std::shared_ptr<Pipeline> read_gpt2_vocabulary(const fs::path& vocab, const fs::path& merges, Settings& settings) {
  const Fields config(settings.config, str(vocab.parent_path() / "tokenizer_config.json"));
  const std::string kind = config.text("tokenizer_class", "GPT2Tokenizer");
  if (!kind.starts_with("GPT2Tokenizer") && kind != "TokenizersBackend" && kind != "PreTrainedTokenizerFast")
    throw ValueError(str(vocab.parent_path(), ": vocab.json and merges.txt alone do not say how a ", quote(kind),
                         " splits text; save the tokenizer with its tokenizer.json"));
  const Json json = Json::parse_file(vocab);
  const Json model(Json::Object{{"vocab", json}});
  const std::string text = read_utf8(merges);
  Merges pairs;
  for (const auto line : lines_of(text)) {
    if (line.starts_with("#version")) continue;
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos)
      throw ValueError(str(merges, ": merge ", pairs.size() + 1, " must be two tokens, found ", quote(line)));
    pairs.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  for (const auto* role : {"unk_token", "bos_token", "eos_token"}) settings.set_default(role, "<|endoftext|>");
  settings.sets_post_processor = true;
  return make_byte_level(Vocabulary::from_json(Fields(model, str(vocab))), pairs, "",
                         config.flag("add_prefix_space", false), str(merges));
}

}  // namespace transformers::detail
