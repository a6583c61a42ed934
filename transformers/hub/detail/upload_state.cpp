#include "transformers/hub/detail/upload_state.h"

#include <chrono>

#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/environment.h"
#include "transformers/hub/hash.h"
#include "transformers/hub/url.h"

namespace transformers::hub::detail {

namespace fs = std::filesystem;

namespace {

constexpr auto kLongestLife = std::chrono::hours(24 * 7);  // storages drop unfinished uploads after about as long
constexpr int64_t kMostBytes = 64 << 20;

fs::path folder() { return home_folder() / "transformers.cpp" / "uploads"; }

void make_folder() {
  fs::create_directories(folder());
  fs::permissions(folder(), fs::perms::owner_all);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder(), ignored))
    if (fs::file_time_type::clock::now() - entry.last_write_time(ignored) > kLongestLife)
      fs::remove(entry.path(), ignored);
}

Json list_of(const std::vector<std::string>& texts) { return Json(Json::Array(texts.begin(), texts.end())); }

std::vector<std::string> texts_of(const Json& list) {
  std::vector<std::string> texts;
  for (const auto& item : list.as_array()) texts.push_back(item.as_string());
  return texts;
}

}  // namespace

UploadState::UploadState(std::string_view endpoint, std::string_view repo, std::string_view oid) {
  Sha256 hash;
  hash.update(str(endpoint, "\n", repo, "\n", oid));
  file_ = folder() / (hash.hex() + ".json");
}

bool UploadState::load(LfsAction& action, int64_t size_bytes, std::vector<std::string>& tags) const {
  std::error_code ignored;
  if (!fs::is_regular_file(file_, ignored)) return false;
  try {
    const auto json = Json::parse_file(file_, kMostBytes);
    LfsAction kept = action;
    kept.url = json.at("url").as_string();
    kept.part_bytes = json.at("part_bytes").as_int();
    kept.part_urls = texts_of(json.at("part_urls"));
    auto kept_tags = texts_of(json.at("tags"));
    const bool fits = json.at("size_bytes").as_int() == size_bytes && kept.part_bytes > 0 &&
                      (size_bytes - 1) / kept.part_bytes + 1 == static_cast<int64_t>(kept.part_urls.size()) &&
                      kept_tags.size() == kept.part_urls.size();
    if (!fits) return false;
    (void)parse_url(kept.url);
    for (const auto& url : kept.part_urls) (void)parse_url(url);
    action = std::move(kept);
    tags = std::move(kept_tags);
    return true;
  } catch (const Error& error) {
    logging::info(str(file_, ": cannot be used, the upload begins anew: ", error.what()));
    return false;
  }
}

void UploadState::save(const LfsAction& action, int64_t size_bytes, const std::vector<std::string>& tags) const {
  const Json json(Json::Object{{"url", action.url},
                               {"size_bytes", size_bytes},
                               {"part_bytes", action.part_bytes},
                               {"part_urls", list_of(action.part_urls)},
                               {"tags", list_of(tags)}});
  try {
    make_folder();
    write_text_atomic(file_, json.dump());
  } catch (const std::exception& error) {
    logging::info(str("an upload that breaks could not go on where it stopped: ", error.what()));
  }
}

void UploadState::remove() const {
  std::error_code ignored;
  fs::remove(file_, ignored);
}

}  // namespace transformers::hub::detail
