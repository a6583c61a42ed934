#pragma once

// A macro that walks its arguments; recursion by deferred expansion, up to 64 of them (C++20 __VA_OPT__).
#define TRANSFORMERS_PARENS ()
#define TRANSFORMERS_EXPAND(...) \
  TRANSFORMERS_EXPAND3(TRANSFORMERS_EXPAND3(TRANSFORMERS_EXPAND3(TRANSFORMERS_EXPAND3(__VA_ARGS__))))
#define TRANSFORMERS_EXPAND3(...) \
  TRANSFORMERS_EXPAND2(TRANSFORMERS_EXPAND2(TRANSFORMERS_EXPAND2(TRANSFORMERS_EXPAND2(__VA_ARGS__))))
#define TRANSFORMERS_EXPAND2(...) \
  TRANSFORMERS_EXPAND1(TRANSFORMERS_EXPAND1(TRANSFORMERS_EXPAND1(TRANSFORMERS_EXPAND1(__VA_ARGS__))))
#define TRANSFORMERS_EXPAND1(...) __VA_ARGS__
#define TRANSFORMERS_FIELDS(...) __VA_OPT__(TRANSFORMERS_EXPAND(TRANSFORMERS_FIELD(__VA_ARGS__)))
#define TRANSFORMERS_FIELD(field, ...) \
  ::transformers::ConfigField{#field, &field}, __VA_OPT__(TRANSFORMERS_FIELD_AGAIN TRANSFORMERS_PARENS(__VA_ARGS__))
#define TRANSFORMERS_FIELD_AGAIN() TRANSFORMERS_FIELD

/// Inside a config struct: its model_type, then its fields; defines model_type(), clone(), fields() and the typed
/// from_pretrained(), from_json_file() and from_dict().
#define TRANSFORMERS_CONFIG(Class, type, ...)                                                             \
  [[nodiscard]] std::string_view model_type() const override { return type; }                             \
  [[nodiscard]] std::shared_ptr<::transformers::PretrainedConfig> clone() const override {                \
    return std::make_shared<Class>(*this);                                                                \
  }                                                                                                       \
  [[nodiscard]] std::vector<::transformers::ConfigField> fields() override {                              \
    return {TRANSFORMERS_FIELDS(__VA_ARGS__)};                                                            \
  }                                                                                                       \
  [[nodiscard]] static std::shared_ptr<Class> from_pretrained(                                            \
      const std::string& name_or_path, const ::transformers::ConfigFromPretrainedOptions& options = {}) { \
    auto config = std::make_shared<Class>();                                                              \
    config->read_pretrained(name_or_path, options);                                                       \
    return config;                                                                                        \
  }                                                                                                       \
  [[nodiscard]] static std::shared_ptr<Class> from_json_file(const std::filesystem::path& json_file) {    \
    auto config = std::make_shared<Class>();                                                              \
    config->read_json_file(json_file);                                                                    \
    return config;                                                                                        \
  }                                                                                                       \
  [[nodiscard]] static std::shared_ptr<Class> from_dict(const ::transformers::Json& json,                 \
                                                        std::string_view where = "the config") {          \
    auto config = std::make_shared<Class>();                                                              \
    config->read_dict(json, where);                                                                       \
    return config;                                                                                        \
  }
