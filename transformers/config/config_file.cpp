#include "transformers/config/config_file.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers {

namespace {

constexpr int64_t kMostBytes = int64_t{64} << 20;

// What a download leaves behind in the place of the file.
void refuse_stand_ins(std::string_view text, const std::filesystem::path& file) {
  const auto head = to_lower_ascii(trim(text.substr(0, 256)));
  if (head.starts_with(kLfsPointerStart))
    throw OSError(str(file, ": is a Git LFS pointer, expected JSON; fetch the file itself with `git lfs pull`"));
  if (head.starts_with("<!doctype html") || head.starts_with("<html") || head.starts_with("<?xml"))
    throw OSError(str(file, ": is a web page, expected JSON; the download was answered with it: fetch the file again"));
}

// Readers differ in which of two values they take.
void refuse_repeated_keys(const Json& json, const std::filesystem::path& file) {
  if (json.is_array())
    for (const auto& item : json.as_array()) refuse_repeated_keys(item, file);
  if (!json.is_object()) return;
  std::vector<std::string_view> keys;
  for (const auto& [key, value] : json.as_object()) {
    keys.push_back(key);
    refuse_repeated_keys(value, file);
  }
  std::sort(keys.begin(), keys.end());
  if (const auto twice = std::adjacent_find(keys.begin(), keys.end()); twice != keys.end())
    throw OSError(str(file, ": holds the key ", quote(*twice), " twice; remove one of them"));
}

}  // namespace

Json read_config_file(const std::filesystem::path& file) {
  std::error_code ignored;
  if (std::filesystem::is_fifo(file, ignored)) throw OSError(str(file, ": is a named pipe, expected a file"));
  const auto text = read_text(file, kMostBytes);
  if (trim(text).empty()) throw OSError(str(file, ": is empty, expected a JSON object"));
  refuse_stand_ins(text, file);
  if (!is_utf8(text)) throw OSError(str(file, ": is not UTF-8 text, expected a JSON object in UTF-8"));
  auto json = Json::parse(text, file.native());
  if (!json.is_object()) throw OSError(str(file, ": is a JSON ", json.type_name(), ", expected an object"));
  refuse_repeated_keys(json, file);
  return json;
}

}  // namespace transformers
