#include "transformers/tokenizers/auto_tokenizer.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"
#include "transformers/checkpoint/gguf.h"
#include "transformers/hub/adapter.h"
#include "transformers/hub/snapshot.h"
#include "transformers/tokenizers/detail/tokenizer_state.h"

namespace transformers {
namespace detail {
namespace {

Json template_piece(const char* kind, const std::string& id, int64_t type) {
  return Json(Json::Object{{kind, Json(Json::Object{{"id", id}, {"type_id", type}})}});
}

// Text and pair with the beginning and end of sequence tokens that the settings ask for.
Json bos_eos_template(const Pipeline& pipeline, const Settings& settings) {
  const AddedToken* const bos = settings.add_bos ? settings.find("bos_token") : nullptr;
  const AddedToken* const eos = settings.add_eos ? settings.find("eos_token") : nullptr;
  Json specials = Json::object();
  Json::Array single, pair;
  for (const int64_t type : {0, 1}) {
    Json::Array part;
    if (bos != nullptr) part.push_back(template_piece("SpecialToken", bos->content, type));
    part.push_back(template_piece("Sequence", type == 0 ? "A" : "B", type));
    if (eos != nullptr) part.push_back(template_piece("SpecialToken", eos->content, type));
    if (type == 0) single = part;
    pair.insert(pair.end(), part.begin(), part.end());
  }
  for (const auto* const token : {bos, eos}) {
    if (token == nullptr) continue;
    const auto id = pipeline.added.find(token->content);
    if (!id) throw ValueError(str(pipeline.where, ": the special token ", quote(token->content), " has no id"));
    specials[token->content] = Json(Json::Object{{"id", token->content},
                                                 {"ids", Json(Json::Array{Json(int64_t{*id})})},
                                                 {"tokens", Json(Json::Array{Json(token->content)})}});
  }
  return Json(Json::Object{{"type", "TemplateProcessing"},
                           {"single", Json(std::move(single))},
                           {"pair", Json(std::move(pair))},
                           {"special_tokens", std::move(specials)}});
}

// Tokens of the settings that the pipeline does not have among its added tokens yet.
void add_missing_tokens(Pipeline& pipeline, Settings& settings) {
  std::vector<AddedToken> tokens = settings.added;
  const auto is_known = [&](const std::string& content) {
    return pipeline.added.find(content).has_value() ||
           std::any_of(tokens.begin(), tokens.end(), [&](const AddedToken& t) { return t.content == content; });
  };
  for (const auto& [role, token] : settings.special)
    if (!is_known(token.content)) tokens.push_back(token);
  for (const auto& token : settings.extra_special)
    if (!is_known(token.content)) tokens.push_back(token);
  for (auto& token : tokens)
    for (const auto& entry : settings.special) token.special |= entry.second.content == token.content;
  if (!tokens.empty()) pipeline.added.add(tokens, pipeline.model->vocabulary(), pipeline.normalizer.get());
}

}  // namespace

std::shared_ptr<PreTrainedTokenizer> assemble(std::shared_ptr<Pipeline> pipeline, Settings settings,
                                              std::optional<TruncationOptions> truncation,
                                              std::optional<PaddingOptions> padding) {
  if (padding && settings.find("pad_token") == nullptr)
    settings.set("pad_token", {.content = padding->pad_token, .normalized = false, .special = true});
  add_missing_tokens(*pipeline, settings);
  if (settings.sets_post_processor || pipeline->post_processor == nullptr) {
    Json json = bos_eos_template(*pipeline, settings);
    pipeline->post_processor = make_post_processor(Fields(json, str(pipeline->where, ": post_processor")));
    pipeline->parts["post_processor"] = std::move(json);
  }
  auto state = std::make_shared<PreTrainedTokenizer::State>();
  state->padding_side = settings.padding_side.value_or(padding ? padding->direction : Side::Right);
  state->truncation_side = settings.truncation_side.value_or(truncation ? truncation->direction : Side::Right);
  state->is_bpe = pipeline->model->is_bpe();
  state->settings = std::move(settings);
  state->file_truncation = std::move(truncation);
  state->file_padding = std::move(padding);
  state->backend = make_tokenizer(std::move(pipeline));
  return std::make_shared<PreTrainedTokenizer>(std::move(state));
}

}  // namespace detail

namespace {

namespace fs = std::filesystem;

std::shared_ptr<PreTrainedTokenizer> load_tokenizer_json(const fs::path& file) {
  const Json json = Json::parse_file(file);
  const detail::Fields fields(json, file.native());
  auto pipeline = std::make_shared<detail::Pipeline>();
  pipeline->model = detail::make_model(detail::Fields(fields.require("model"), str(file, ": model")));
  detail::build_parts(*pipeline, json, file.native());
  auto truncation = detail::parse_truncation(fields);
  auto padding = detail::parse_padding(fields);
  return detail::assemble(std::move(pipeline), detail::read_settings(file.parent_path(), true), std::move(truncation),
                          std::move(padding));
}

std::vector<fs::path> gguf_files(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".gguf") found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

std::shared_ptr<PreTrainedTokenizer> load_folder(const fs::path& folder) {
  if (fs::exists(folder / "tokenizer.json")) return load_tokenizer_json(folder / "tokenizer.json");
  const bool has_bpe = fs::exists(folder / "vocab.json") && fs::exists(folder / "merges.txt");
  if (fs::exists(folder / "vocab.txt") || has_bpe) {
    auto settings = detail::read_settings(folder, false);
    auto pipeline = has_bpe ? detail::read_gpt2_vocabulary(folder / "vocab.json", folder / "merges.txt", settings)
                            : detail::read_bert_vocabulary(folder / "vocab.txt", settings);
    return detail::assemble(std::move(pipeline), std::move(settings));
  }
  const auto ggufs = gguf_files(folder);
  if (ggufs.size() == 1) return AutoTokenizer::from_gguf(read_gguf_metadata(ggufs[0]), ggufs[0].native());
  if (ggufs.size() > 1)
    throw OSError(str(folder, ": holds ", ggufs.size(), " GGUF files; name the one whose tokenizer is meant"));
  throw OSError(str(
      folder,
      ": no tokenizer found; looked for tokenizer.json, vocab.txt, vocab.json with merges.txt, and one .gguf file"));
}

}  // namespace

std::shared_ptr<PreTrainedTokenizer> AutoTokenizer::from_pretrained(const std::string& name,
                                                                    const DownloadOptions& options) {
  const fs::path path(name);
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    return load_folder(options.subfolder.empty() ? path : path_inside(path, options.subfolder, "subfolder"));
  if (!fs::exists(path, ignored))
    return load_folder(snapshot_of_tokenizer(resolve_snapshot(name, options), options).folder);
  if (path.extension() == ".gguf") return from_gguf(read_gguf_metadata(path), path.native());
  if (path.extension() == ".json") return load_tokenizer_json(path);
  throw OSError(str(path, ": a tokenizer is loaded from a folder, a tokenizer.json or a .gguf file"));
}

}  // namespace transformers
