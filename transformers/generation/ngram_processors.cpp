// Processors that compare the end of a sequence with sequences of ids.
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <limits>
#include <set>

#include "transformers/base/error.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/generation/detail/scores.h"
#include "transformers/generation/logits_processors.h"

namespace transformers::detail {

namespace {

using Ids = std::span<const int64_t>;

// Rows of a (batch, tokens) tensor on the host.
class Rows {
 public:
  explicit Rows(const at::Tensor& ids) : ids_(ids.to(at::kCPU, at::kLong).contiguous()) {}
  [[nodiscard]] int64_t size() const { return ids_.size(0); }
  [[nodiscard]] Ids operator[](int64_t row) const {
    const auto width = static_cast<size_t>(ids_.size(1));
    return {ids_.const_data_ptr<int64_t>() + static_cast<size_t>(row) * width, width};
  }

 private:
  at::Tensor ids_;
};

// Scores to change: (row, token, what to add).
struct Changes {
  std::vector<int64_t> rows = {}, tokens = {};
  std::vector<double> values = {};

  void add(int64_t row, int64_t token, double value) {
    rows.push_back(row);
    tokens.push_back(token);
    values.push_back(value);
  }
  [[nodiscard]] at::Tensor apply(const at::Tensor& scores) const {
    if (rows.empty()) return scores;
    const auto index = [&](const std::vector<int64_t>& ids) { return at::tensor(ids, at::kLong).to(scores.device()); };
    return at::Tensor(scores).index_put_({index(rows), index(tokens)},
                                         at::tensor(values, at::kDouble).to(scores.options()),
                                         /*accumulate=*/true);
  }
};

void forbid_repeats(Ids seen, Ids tail, int64_t row, int64_t vocab, Changes& changes) {
  std::set<int64_t> banned;
  for (size_t i = 0; i + tail.size() < seen.size(); ++i)
    if (std::equal(tail.begin(), tail.end(), seen.begin() + static_cast<std::ptrdiff_t>(i)))
      banned.insert(seen[i + tail.size()]);
  for (const int64_t token : banned)
    if (token >= 0 && token < vocab) changes.add(row, token, kNever);
}

class NoRepeatNGram final : public LogitsProcessor {
 public:
  // source: the ids whose n-grams must not appear; undefined for the sequence itself.
  NoRepeatNGram(int64_t size, const at::Tensor& source) : size_(static_cast<size_t>(size)) {
    if (source.defined()) source_.emplace(source);
  }
  at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) override {
    if (input_ids.size(1) + 1 < static_cast<int64_t>(size_)) return scores;
    const Rows rows(input_ids);
    Changes changes;
    for (int64_t row = 0; row < rows.size(); ++row)
      forbid_repeats(source_ ? (*source_)[row] : rows[row], rows[row].last(size_ - 1), row, scores.size(1), changes);
    return changes.apply(scores);
  }

 private:
  size_t size_;
  std::optional<Rows> source_ = {};
};

struct Bias {
  std::vector<int64_t> ids = {};
  double value = 0.0;
};

// Adds to the score of a token that would complete one of the sequences.
class SequenceBias final : public LogitsProcessor {
 public:
  SequenceBias(std::string_view field, std::vector<Bias> biases) : field_(field), biases_(std::move(biases)) {}
  at::Tensor operator()(const at::Tensor& input_ids, const at::Tensor& scores) override {
    if (!single_.defined()) prepare(scores);
    if (longer_.empty()) return at::Tensor(scores).add_(single_);
    const Rows rows(input_ids);
    Changes changes;
    for (int64_t row = 0; row < rows.size(); ++row)
      for (const auto& bias : longer_) {
        const Ids start = Ids(bias.ids).first(bias.ids.size() - 1);
        if (start.size() > rows[row].size()) continue;
        const auto end = rows[row].last(start.size());
        if (std::equal(start.begin(), start.end(), end.begin())) changes.add(row, bias.ids.back(), bias.value);
      }
    return changes.apply(at::Tensor(scores).add_(single_));
  }

 private:
  void prepare(const at::Tensor& scores) {
    std::vector<float> single(static_cast<size_t>(scores.size(1)), 0.0F);
    for (auto& bias : biases_) {
      for (const int64_t id : bias.ids)
        if (id >= scores.size(1))
          throw ValueError(
              transformers::str(field_, " holds the id ", id, ", the vocabulary has ", scores.size(1), " tokens"));
      if (bias.ids.size() == 1)
        single[static_cast<size_t>(bias.ids[0])] += static_cast<float>(bias.value);
      else
        longer_.push_back(bias);
    }
    single_ = at::tensor(single, at::kFloat).to(scores.options());
  }

  std::string_view field_;
  std::vector<Bias> biases_, longer_ = {};
  at::Tensor single_ = {};  // (vocab)
};

std::vector<int64_t> word_ids(const Json& word, std::string_view field) {
  if (!word.is_array() || word.size() == 0)
    throw ValueError(str(field, " holds ", word.dump(), ", expected a list of ids that is not empty"));
  auto ids = token_ids(word, field);
  for (const int64_t id : ids)
    if (id < 0) throw ValueError(str(field, " holds the id ", id, ", expected ids of the vocabulary"));
  return ids;
}

const Json::Array& filled_list(const Json& list, std::string_view field) {
  if (!list.is_array() || list.size() == 0)
    throw ValueError(str(field, " is ", quote(list.dump()), ", expected a list that is not empty"));
  return list.as_array();
}

}  // namespace

MadeProcessor make_no_repeat_ngram(const ProcessorContext& c) {
  const int64_t size = c.config.no_repeat_ngram_size.value_or(0);
  return size > 0 ? std::make_shared<NoRepeatNGram>(size, at::Tensor()) : nullptr;
}

MadeProcessor make_encoder_no_repeat_ngram(const ProcessorContext& c) {
  const int64_t size = c.config.encoder_no_repeat_ngram_size.value_or(0);
  if (size <= 0) return nullptr;
  if (c.encoder_input_ids.defined()) return std::make_shared<NoRepeatNGram>(size, c.encoder_input_ids);
  logging::warning("encoder_no_repeat_ngram_size has no effect without input_ids");
  return nullptr;
}

MadeProcessor make_sequence_bias(const ProcessorContext& c) {
  if (c.config.sequence_bias.is_null()) return nullptr;
  std::vector<Bias> biases;
  for (const auto& item : filled_list(c.config.sequence_bias, "sequence_bias")) {
    if (!item.is_array() || item.size() != 2 || !item.as_array()[1].is_number())
      throw ValueError(str("sequence_bias holds ", quote(item.dump()), ", expected [[ids], bias]"));
    biases.push_back({word_ids(item.as_array()[0], "sequence_bias"), item.as_array()[1].as_double()});
  }
  return std::make_shared<SequenceBias>("sequence_bias", std::move(biases));
}

MadeProcessor make_bad_words(const ProcessorContext& c) {
  if (c.config.bad_words_ids.is_null()) return nullptr;
  std::vector<Bias> biases;
  for (const auto& word : filled_list(c.config.bad_words_ids, "bad_words_ids")) {
    auto ids = word_ids(word, "bad_words_ids");
    // A sequence must be able to end.
    if (ids.size() == 1 && std::find(c.eos.begin(), c.eos.end(), ids[0]) != c.eos.end()) continue;
    biases.push_back({std::move(ids), kNever});
  }
  return biases.empty() ? nullptr : std::make_shared<SequenceBias>("bad_words_ids", std::move(biases));
}

}  // namespace transformers::detail
