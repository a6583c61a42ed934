#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace transformers {

class PretrainedConfig;

/// What a field of a config must be, so that a model can be built from it and computes numbers. Fields that are absent
/// (null) fulfil every rule.
struct Constraint {
  enum class Rule {
    Integer,      // from `least` to `most`
    Fraction,     // 0 to 1
    NonNegative,  // finite
    MultipleOf,   // of the integer field `other`
    TokenOf,      // a row of a table of `other` rows; negative ones count from its end
    LayerTypes,   // one of full_attention and sliding_attention for each of `other` layers
  };
  std::string_view field = {};  // a leading `*` stands for anything
  Rule rule = Rule::Integer;
  std::string_view other = {};   // another field
  std::string_view unless = {};  // the rule rests while this optional field is set
  int64_t least = 1;
  int64_t most = std::numeric_limits<int32_t>::max();  // the product of two fields fits int64_t
};

/// For configs whose embedding has a row for padding.
inline constexpr Constraint kPaddingConstraints[] = {
    {.field = "pad_token_id", .rule = Constraint::Rule::TokenOf, .other = "vocab_size"}};

/// Checks what the names of the fields imply in every config, then `config.constraints()`. Throws ValueError naming
/// `where`, the field, its value and what is allowed.
void check_constraints(const PretrainedConfig& config, std::string_view where);

}  // namespace transformers
