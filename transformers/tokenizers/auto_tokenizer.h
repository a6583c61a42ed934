#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/hub/options.h"
#include "transformers/tokenizers/tokenizer.h"

namespace transformers {

struct PushToHubOptions;

/// A tokenizer together with what its folder says about it: special tokens by role, padding side, chat templates.
/// The counterpart of the reference's PreTrainedTokenizerFast.
class PreTrainedTokenizer {
 public:
  /// Options of a call, with the reference's names and defaults.
  struct CallOptions {
    bool add_special_tokens = true;
    bool padding = false;     // to the longest of the batch, or to max_length when that is given too
    bool truncation = false;  // needs max_length, or model_max_length
    std::optional<int64_t> max_length = {};
    std::optional<int64_t> pad_to_multiple_of = {};
    std::optional<Side> padding_side = {};
    int64_t stride = 0;  // tokens that the parts of a truncated text share
  };

  [[nodiscard]] std::vector<int64_t> encode(std::string_view text, bool add_special_tokens = true) const;
  [[nodiscard]] std::vector<Encoding> operator()(std::span<const std::string> texts, const CallOptions& options) const;
  [[nodiscard]] std::vector<Encoding> operator()(std::span<const std::pair<std::string, std::string>> pairs,
                                                 const CallOptions& options) const;
  [[nodiscard]] std::vector<Encoding> operator()(std::span<const std::string> texts) const {
    return (*this)(texts, CallOptions{});
  }
  /// With the clean-up of spaces that tokenizer_config.json asks for; not for BPE, as in the reference.
  [[nodiscard]] std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = false) const;

  struct ChatOptions {
    bool add_generation_prompt = false;
    Json tools = {};                                // null or a list
    std::optional<std::string> chat_template = {};  // a name among several, or a template's text
    Json kwargs = Json::object();                   // further variables of the template
  };
  /// The conversation as text. `messages`: a list of objects with `role` and `content`. Without a template: ValueError
  /// that says so; there is no silent fallback.
  [[nodiscard]] std::string apply_chat_template(const Json& messages, const ChatOptions& options) const;
  [[nodiscard]] std::string apply_chat_template(const Json& messages) const {
    return apply_chat_template(messages, ChatOptions{});
  }
  [[nodiscard]] bool has_chat_template() const;

  /// `role`: "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token".
  [[nodiscard]] std::optional<std::string> special_token(std::string_view role) const;
  [[nodiscard]] std::optional<int64_t> special_token_id(std::string_view role) const;

  /// The pipeline. It neither truncates nor pads, whatever its file says: the options of a call decide, as in the
  /// reference.
  [[nodiscard]] const std::shared_ptr<Tokenizer>& backend() const;
  /// In tokens; the largest int64_t when the model names no limit.
  [[nodiscard]] int64_t model_max_length() const;
  [[nodiscard]] Side truncation_side() const;
  [[nodiscard]] Side padding_side() const;
  void set_padding_side(Side side);

  /// Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json and chat_template.jinja, so that the
  /// reference reads them back with the same behaviour.
  void save_pretrained(const std::filesystem::path& folder) const;
  /// Uploads those files; gives the URL of the commit or pull request. See hub/push.h.
  std::string push_to_hub(const std::string& repo_id, const PushToHubOptions& options) const;
  std::string push_to_hub(const std::string& repo_id) const;

  struct State;
  explicit PreTrainedTokenizer(std::shared_ptr<State> state);

 private:
  [[nodiscard]] std::shared_ptr<Tokenizer> configured(const CallOptions& options) const;
  std::shared_ptr<State> state_;
};

struct AutoTokenizer {
  /// A folder with tokenizer.json (or, for BERT, vocab.txt; for byte-level BPE, vocab.json and merges.txt), a
  /// tokenizer.json, a GGUF file, a folder whose only weights are one GGUF file, or a Hub id, whose files are fetched;
  /// of a repository that holds only an adapter without a tokenizer, the one of its model. Throws OSError naming the
  /// folder and the files looked for; for a Hub id also HubError and its kinds, ConnectionError.
  [[nodiscard]] static std::shared_ptr<PreTrainedTokenizer> from_pretrained(const std::string& name_or_path,
                                                                            const DownloadOptions& options = {});
  /// From the key-value pairs of a GGUF file (`tokenizer.ggml.*`, `tokenizer.chat_template`).
  [[nodiscard]] static std::shared_ptr<PreTrainedTokenizer> from_gguf(const Json& metadata, std::string_view where);
};

}  // namespace transformers
