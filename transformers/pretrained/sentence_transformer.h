#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "transformers/pretrained/load.h"
#include "transformers/tokenizers/auto_tokenizer.h"

namespace transformers {

/// How token embeddings become one vector: the fields of the pooling module's config.json. Several at once are
/// concatenated in this order. Reference: sentence-transformers, Pooling.
struct PoolingOptions {
  bool cls_token = false;   // the first token
  bool max_tokens = false;  // per dimension
  bool mean_tokens = true;
  bool mean_sqrt_len_tokens = false;  // the sum over the square root of the count
  bool weightedmean_tokens = false;   // later tokens weigh more: 1, 2, 3 …
  bool lasttoken = false;
};

/// (batch, tokens, hidden) and (batch, tokens) ones and zeros, padding at the right → (batch, hidden × modes), float32.
[[nodiscard]] at::Tensor pool(const at::Tensor& hidden, const at::Tensor& attention_mask,
                              const PoolingOptions& options);

struct Snapshot;

/// An encoder with what turns its output into sentence embeddings, read from the folder's sentence-transformers files
/// (modules.json and those it names). A folder without them: mean pooling, no normalisation.
class SentenceTransformer {
 public:
  /// Throws what from_pretrained and AutoTokenizer throw; NotImplementedError for modules other than Transformer,
  /// Pooling and Normalize.
  [[nodiscard]] static SentenceTransformer from_pretrained(const std::string& name_or_path,
                                                           const FromPretrainedOptions& options = {});

  struct EncodeOptions {
    int64_t batch_size = 32;
  };
  /// (sentences, size) float32, in the order given. Batches hold sentences of similar length.
  [[nodiscard]] at::Tensor encode(std::span<const std::string> sentences, const EncodeOptions& options) const;
  [[nodiscard]] at::Tensor encode(std::span<const std::string> sentences) const { return encode(sentences, {}); }

  [[nodiscard]] const std::shared_ptr<PreTrainedModel>& model() const { return model_; }
  /// Tokens after which a sentence is cut.
  [[nodiscard]] int64_t max_seq_length() const { return max_seq_length_; }
  /// Numbers in an embedding.
  [[nodiscard]] int64_t size() const;

 private:
  SentenceTransformer() = default;
  void read_modules(const Snapshot& snapshot);
  void read_module(const Snapshot& snapshot, const Json& module);
  void read_limits(const Snapshot& snapshot);
  [[nodiscard]] at::Tensor encode_batch(std::span<const Encoding* const> sentences) const;

  std::shared_ptr<PreTrainedModel> model_ = {};
  std::shared_ptr<PreTrainedTokenizer> tokenizer_ = {};
  PoolingOptions pooling_ = {};
  std::string transformer_folder_ = {};  // of the encoder, inside the model's folder
  std::string prompt_ = {};              // before every sentence
  bool normalizes_ = false, lowers_case_ = false;
  int64_t max_seq_length_ = 0;
};

}  // namespace transformers
