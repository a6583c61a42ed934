#include "transformers/mapping/dialects.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/mapping/int8.h"
#include "transformers/mapping/key_match.h"

namespace transformers {

extern const KeyDialect flax_dialect, gguf_dialect, keras_dialect, tensorflow_dialect;

namespace {

// Ours; the way there and back is none.
constinit const KeyDialect transformers_dialect{
    .name = "transformers",
    .to_model = [](const Json&, std::string_view key,
                   std::span<const int64_t>) { return std::optional(KeyTranslation{.name = std::string(key)}); },
    .to_file = [](const Json&, std::string_view name,
                  std::span<const int64_t>) { return std::optional(KeyTranslation{.name = std::string(name)}); },
    .is_ignored = [](std::string_view) { return false; },
    .shared_with = [](const Json&, std::string_view) { return std::optional<std::string>(); },
};

constexpr const KeyDialect* kDialects[] = {&flax_dialect, &gguf_dialect, &keras_dialect, &tensorflow_dialect,
                                           &transformers_dialect};

// P62: what safetensors files say of themselves.
struct StatedFormat {
  std::string_view format, dialect;
};
constexpr StatedFormat kStatedFormats[] = {
    {"flax", "flax"}, {"mlx", "transformers"}, {"pt", "transformers"}, {"tf", "keras"}, {kInt8Format, "transformers"}};

}  // namespace

std::span<const KeyDialect* const> key_dialects() { return kDialects; }

const KeyDialect* find_dialect(std::string_view name) {
  const auto* found = std::find_if(std::begin(kDialects), std::end(kDialects),
                                   [&](const KeyDialect* dialect) { return dialect->name == name; });
  return found == std::end(kDialects) ? nullptr : *found;
}

const KeyDialect& dialect_of(const CheckpointReader& reader) {
  const auto* named = find_dialect(reader.dialect());
  if (!named) throw ValueError(str("there is no dialect ", quote(reader.dialect())));
  const auto* format = named == &transformers_dialect ? reader.metadata().find("format") : nullptr;
  if (!format || !format->is_string()) return *named;
  for (const auto& row : kStatedFormats)
    if (row.format == format->as_string()) return *find_dialect(row.dialect);
  throw OSError(str(reader.files().empty() ? std::string("the checkpoint") : reader.files().front().native(),
                    ": its metadata has the unknown format ", quote(format->as_string()),
                    ", expected 'pt', 'mlx', 'tf' or 'flax'"));
}

bool is_derived_tensor(std::string_view name) {
  constexpr std::string_view kDerived[] = {
      "**.position_ids",     "**.token_type_ids",      "**.attn.bias",  // GPT-2's causal mask
      "**.attn.masked_bias", "**.rotary_emb.inv_freq", "**.num_batches_tracked",
  };
  return std::any_of(std::begin(kDerived), std::end(kDerived),
                     [&](std::string_view pattern) { return key_matches(pattern, name); });
}

}  // namespace transformers
