#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transformers/tokenizers/auto_tokenizer.h"
#include "transformers/tokenizers/chat_template.h"
#include "transformers/tokenizers/detail/pipeline.h"

namespace transformers::detail {

/// The named special tokens, in the reference's order.
inline constexpr std::string_view kRoles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                              "pad_token", "cls_token", "mask_token"};

/// What stands around the pipeline when a tokenizer is loaded: the fields of tokenizer_config.json, understood.
struct Settings {
  std::vector<std::pair<std::string, AddedToken>> special = {};  // by role; roles of single models behind kRoles
  std::vector<AddedToken> extra_special = {};
  std::vector<AddedToken> added = {};                      // by id
  std::map<std::string, std::string> chat_templates = {};  // the only or main one is "default"
  Json config = Json::object();                            // tokenizer_config.json as read
  bool add_bos = false, add_eos = false;
  bool sets_post_processor = false;  // add_bos and add_eos count
  bool cleans_up = false;
  std::optional<Side> padding_side = {}, truncation_side = {};
  std::optional<int64_t> model_max_length = {};

  [[nodiscard]] const AddedToken* find(std::string_view role) const;
  void set(std::string_view role, AddedToken token);
  void set_default(std::string_view role, std::string_view content);
};

/// Reads tokenizer_config.json, special_tokens_map.json, added_tokens.json and the chat templates of a folder.
[[nodiscard]] Settings read_settings(const std::filesystem::path& folder, bool has_tokenizer_json);
void read_chat_templates(const std::filesystem::path& folder, Settings& settings);
/// A token from text or from an object with `content`; special either way.
[[nodiscard]] AddedToken parse_special_token(const Json& json, const std::string& where);

/// Completes a pipeline with the settings' tokens and post-processor.
[[nodiscard]] std::shared_ptr<PreTrainedTokenizer> assemble(std::shared_ptr<Pipeline> pipeline, Settings settings,
                                                            std::optional<TruncationOptions> truncation = {},
                                                            std::optional<PaddingOptions> padding = {});

/// The pipelines of folders without tokenizer.json.
[[nodiscard]] std::shared_ptr<Pipeline> read_bert_vocabulary(const std::filesystem::path& file, Settings& settings);
[[nodiscard]] std::shared_ptr<Pipeline> read_gpt2_vocabulary(const std::filesystem::path& vocab,
                                                             const std::filesystem::path& merges, Settings& settings);
/// A byte-level pipeline without added tokens; `split` is a regular expression, empty for GPT-2's own.
[[nodiscard]] std::shared_ptr<Pipeline> make_byte_level(Vocabulary vocabulary, const Merges& merges,
                                                        std::string_view split, bool add_prefix_space,
                                                        const std::string& where);

}  // namespace transformers::detail

namespace transformers {

struct PreTrainedTokenizer::State {
  std::shared_ptr<Tokenizer> backend = {};  // neither truncates nor pads
  detail::Settings settings = {};
  std::optional<TruncationOptions> file_truncation = {};  // as the file has it, for saving
  std::optional<PaddingOptions> file_padding = {};
  Side padding_side = Side::Right, truncation_side = Side::Right;
  bool is_bpe = false;
  std::mutex mutex = {};  // guards `compiled`
  std::map<std::string, std::shared_ptr<const ChatTemplate>> compiled = {};
};

}  // namespace transformers
