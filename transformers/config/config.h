#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "transformers/base/json.h"
#include "transformers/config/config_macro.h"
#include "transformers/config/constraints.h"

namespace transformers {

struct PushToHubOptions;

/// One field of a config by name: drives reading, writing, overrides and lookups.
struct ConfigField {
  using Target = std::variant<bool*, int64_t*, double*, std::string*, std::optional<bool>*, std::optional<int64_t>*,
                              std::optional<double>*, std::optional<std::string>*, std::vector<int64_t>*,
                              std::vector<std::string>*, Json*>;
  std::string_view name = {};
  Target target = static_cast<bool*>(nullptr);
};

/// Arguments of PretrainedConfig::from_pretrained; names and defaults are the reference's.
/// The download arguments are those of DownloadOptions.
struct ConfigFromPretrainedOptions {
  std::optional<std::filesystem::path> cache_dir = {};
  bool force_download = false, local_files_only = false;
  std::optional<std::variant<bool, std::string>> token = {};  // TokenArg
  std::map<std::string, std::string> proxies = {};
  std::string revision = "main";
  std::string subfolder = {};
  Json kwargs = Json::object();  // fields to override, and use_auth_token; others: TypeError
};

/// A model's description: public fields with the reference's names and defaults, read from and written to config.json.
/// Keys that no field knows are kept in `extra` and written back. Reference: PreTrainedConfig.
class PretrainedConfig {
 public:
  PretrainedConfig() = default;
  PretrainedConfig(const PretrainedConfig&) = default;
  PretrainedConfig& operator=(const PretrainedConfig&) = default;
  virtual ~PretrainedConfig() = default;

  [[nodiscard]] virtual std::string_view model_type() const = 0;
  [[nodiscard]] virtual std::shared_ptr<PretrainedConfig> clone() const = 0;
  /// The fields of the concrete class; TRANSFORMERS_CONFIG makes both.
  [[nodiscard]] virtual std::vector<ConfigField> fields() = 0;
  /// Other names of fields: {"hidden_size", "n_embd"}.
  using Alias = std::pair<std::string_view, std::string_view>;
  [[nodiscard]] virtual std::span<const Alias> attribute_map() const { return {}; }
  /// What its fields must fulfil beyond what their names imply; see check_constraints.
  [[nodiscard]] virtual std::span<const Constraint> constraints() const { return {}; }

  /// The config of a folder, a config.json, a GGUF file or a Hub id, of the class that its `model_type` names.
  /// `BertConfig::from_pretrained` gives a BertConfig and warns when the file is of another type; so for the two below.
  /// Throws OSError for the file, ValueError naming it and the field. The three need the library `transformers`.
  [[nodiscard]] static std::shared_ptr<PretrainedConfig> from_pretrained(
      const std::string& name_or_path, const ConfigFromPretrainedOptions& options = {});
  [[nodiscard]] static std::shared_ptr<PretrainedConfig> from_json_file(const std::filesystem::path& json_file);
  /// `where` names the source in errors.
  [[nodiscard]] static std::shared_ptr<PretrainedConfig> from_dict(const Json& json,
                                                                   std::string_view where = "the config");

  // Fields that every config has.
  std::vector<std::string> architectures = {};
  bool output_hidden_states = false;
  bool output_attentions = false;
  bool return_dict = true;
  std::optional<std::string> dtype = {};
  int64_t chunk_size_feed_forward = 0;
  bool is_encoder_decoder = false;
  std::map<int64_t, std::string> id2label = {{0, "LABEL_0"}, {1, "LABEL_1"}};
  std::optional<std::string> problem_type = {};

  // Not in config.json.
  std::string name_or_path = {};
  std::string attn_implementation = {};  // empty: the default of the model class
  Json extra = Json::object();           // unknown keys, in file order

  [[nodiscard]] int64_t num_labels() const { return static_cast<int64_t>(id2label.size()); }
  /// Renames the labels LABEL_0 … unless there are `count` already. Throws ValueError below 1 or above 10 million.
  void set_num_labels(int64_t count);

  /// Reads the keys of `json` into the fields. A wrong type or an impossible value: ValueError naming `where` and key.
  void update(const Json& json, std::string_view where);
  /// Checks the fields and fills those that depend on others, after some were set by hand; models call it when they
  /// are built. Throws ValueError naming `where` (empty: the model type), the field, its value and what is allowed.
  void resolve(std::string_view where = {});
  /// Sets the members of `kwargs` that are fields (or `num_labels`) and returns the others.
  [[nodiscard]] Json override_with(const Json& kwargs);
  /// The part that describes the text model: this config, unless it is composed of several.
  [[nodiscard]] virtual const PretrainedConfig& get_text_config() const { return *this; }
  /// The value of a field, alias or extra key; null when there is none.
  [[nodiscard]] Json get(std::string_view name) const;
  /// True when `name` is a field or an alias of one.
  [[nodiscard]] bool has_field(std::string_view name) const;

  /// Every field (`to_dict`), or what config.json holds: the class's own fields and those that differ from the
  /// defaults.
  [[nodiscard]] Json to_dict() const;
  [[nodiscard]] Json to_diff_dict() const;
  /// Sorted keys, indent 2, final newline; infinities and NaN as {"__float__": "Infinity"}.
  [[nodiscard]] std::string to_json_string(bool use_diff = true) const;
  /// Writes `config.json` into the folder, which is created when absent; atomically.
  void save_pretrained(const std::filesystem::path& folder) const;
  /// Uploads that file; gives the URL of the commit or pull request. See hub/push.h; needs the library `transformers`.
  std::string push_to_hub(const std::string& repo_id, const PushToHubOptions& options) const;
  std::string push_to_hub(const std::string& repo_id) const;

 protected:
  /// Runs after reading: fills fields that depend on others and checks what no single field can show.
  virtual void finish(std::string_view where);
  // What TRANSFORMERS_CONFIG makes the typed statics of.
  void read_pretrained(const std::string& name_or_path, const ConfigFromPretrainedOptions& options);
  void read_json_file(const std::filesystem::path& json_file);
  void read_dict(const Json& json, std::string_view where);

 private:
  bool read_common(const std::string& key, const Json& value);
  void read_labels(const Json& json, std::string_view where);
};
using PreTrainedConfig = PretrainedConfig;

/// The ids in a JSON integer or list of integers; empty for null. Used for eos_token_id.
[[nodiscard]] std::vector<int64_t> token_ids(const Json& json, std::string_view name);

/// Rope settings of a config as `rope_parameters`, from the new key or from `rope_theta` and `rope_scaling` (old);
/// moves what belongs there out of `extra`. `max_positions` is the default of original_max_position_embeddings.
void standardize_rope(PretrainedConfig& config, Json& rope_parameters, double default_theta, int64_t max_positions,
                      std::string_view where);

}  // namespace transformers
