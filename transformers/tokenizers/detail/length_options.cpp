#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/pipeline.h"

namespace transformers::detail {
namespace {

constexpr int64_t kMostPaddedTokens = int64_t{1} << 24;
constexpr std::string_view kStrategies[] = {"LongestFirst", "OnlyFirst", "OnlySecond"};

Side parse_side(const Fields& fields) {
  const std::string name = fields.text("direction", "Right");
  if (name == "Left") return Side::Left;
  if (name != "Right") fields.fail("direction", str("must be Left or Right, found ", quote(name)));
  return Side::Right;
}

Json side_json(Side side) { return side == Side::Left ? "Left" : "Right"; }

}  // namespace

std::optional<TruncationOptions> parse_truncation(const Fields& tokenizer) {
  if (tokenizer.find("truncation") == nullptr) return std::nullopt;
  const Fields fields(tokenizer.require("truncation"), str(tokenizer.where(), ": truncation"));
  return TruncationOptions{.max_length = fields.number("max_length"),
                           .stride = fields.number("stride", 0),
                           .strategy = fields.text("strategy", "LongestFirst"),
                           .direction = parse_side(fields)};
}

std::optional<PaddingOptions> parse_padding(const Fields& tokenizer) {
  if (tokenizer.find("padding") == nullptr) return std::nullopt;
  const Fields fields(tokenizer.require("padding"), str(tokenizer.where(), ": padding"));
  PaddingOptions options{.direction = parse_side(fields),
                         .pad_id = fields.number("pad_id"),
                         .pad_type_id = fields.number("pad_type_id"),
                         .pad_token = fields.text("pad_token")};
  if (fields.find("pad_to_multiple_of") != nullptr) options.pad_to_multiple_of = fields.number("pad_to_multiple_of");
  const Json& strategy = fields.require("strategy");
  if (strategy.is_object())
    options.length = fields.child("strategy").number("Fixed");
  else if (!strategy.is_string() || strategy.as_string() != "BatchLongest")
    fields.fail("strategy", "must be BatchLongest or {\"Fixed\": length}");
  check(options);
  return options;
}

Json to_json(const std::optional<TruncationOptions>& options) {
  if (!options) return {};
  return Json(Json::Object{{"direction", side_json(options->direction)},
                           {"max_length", options->max_length},
                           {"strategy", options->strategy},
                           {"stride", options->stride}});
}

Json to_json(const std::optional<PaddingOptions>& options) {
  if (!options) return {};
  return Json(Json::Object{
      {"strategy", options->length ? Json(Json::Object{{"Fixed", *options->length}}) : Json("BatchLongest")},
      {"direction", side_json(options->direction)},
      {"pad_to_multiple_of", options->pad_to_multiple_of ? Json(*options->pad_to_multiple_of) : Json()},
      {"pad_id", options->pad_id},
      {"pad_type_id", options->pad_type_id},
      {"pad_token", options->pad_token}});
}

void check(const TruncationOptions& options, size_t added_tokens) {
  bool known = false;
  for (const auto name : kStrategies) known |= name == options.strategy;
  if (!known)
    throw ValueError(str("truncation: strategy ", quote(options.strategy),
                         " is unknown; use LongestFirst, OnlyFirst or OnlySecond"));
  if (options.max_length < 0 || options.stride < 0)
    throw ValueError(
        str("truncation: max_length ", options.max_length, " and stride ", options.stride, " must not be negative"));
  if (options.max_length - static_cast<int64_t>(added_tokens) < options.stride)
    throw ValueError(str("truncation: stride ", options.stride, " is more than max_length ", options.max_length,
                         " less ", added_tokens, " special tokens"));
}

void check(const PaddingOptions& options) {
  const int64_t length = options.length.value_or(0), multiple = options.pad_to_multiple_of.value_or(0);
  if (length < 0 || length > kMostPaddedTokens || multiple < 0 || multiple > kMostPaddedTokens)
    throw ValueError(str("padding: length ", length, " and pad_to_multiple_of ", multiple, " must be from 0 to ",
                         kMostPaddedTokens));
}

}  // namespace transformers::detail
