#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transformers/pretrained/auto.h"

namespace transformers::cli {

/// What came of one turn.
struct Reply {
  enum class End { Complete, TokenLimit, ContextFull, Interrupted };
  std::string text = {};
  int64_t tokens = 0;        // made
  double first_token_s = 0;  // from the question to the first token
  double tokens_per_s = 0;   // after the first; 0 when there was only one
  End end = End::Complete;
};

/// A conversation with a model: the messages, and the cache of what the model has read, so that a turn costs only its
/// new tokens.
class ChatSession {
 public:
  struct Options {
    Json generation = Json::object();  // GenerationConfig fields set by the user
    std::optional<uint64_t> seed = {};
  };
  static constexpr int64_t kMostNewTokens = 512;  // of a reply, when the user sets no length

  ChatSession(std::shared_ptr<PreTrainedModel> model, std::shared_ptr<PreTrainedTokenizer> tokenizer, Options options);

  /// Sends `text`, gives the reply piece by piece to `sink`, and remembers both. When it throws, the conversation is as
  /// it was: ValueError when it no longer fits into the model's context, and whatever generate throws.
  Reply answer(const std::string& text, const std::function<void(std::string_view)>& sink);

  /// The system message; empty: none.
  void set_system(const std::string& text);
  [[nodiscard]] const std::string& system() const { return system_; }
  /// Forgets the conversation, not the system message.
  void reset();
  /// The conversation as a JSON list of messages.
  [[nodiscard]] Json messages() const;

 private:
  [[nodiscard]] std::vector<int64_t> prompt_ids() const;
  [[nodiscard]] Json generation_fields(int64_t prompt_length, bool& is_cut_by_context) const;
  void reuse_cache(const std::vector<int64_t>& prompt);
  Reply generate(const std::vector<int64_t>& prompt, const std::function<void(std::string_view)>& sink);

  std::shared_ptr<PreTrainedModel> model_;
  std::shared_ptr<PreTrainedTokenizer> tokenizer_;
  Options options_;
  std::string system_ = {};
  Json::Array turns_ = {};
  std::shared_ptr<nn::Cache> cache_ = {};
  std::vector<int64_t> cached_ids_ = {};  // what the cache has seen
  uint64_t turn_ = 0;
};

}  // namespace transformers::cli
