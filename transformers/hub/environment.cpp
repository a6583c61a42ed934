#include "transformers/hub/environment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "transformers/base/error.h"
#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/url.h"

namespace transformers::hub {

namespace fs = std::filesystem;

namespace {

bool is_name_character(char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0; }

// `~` at the start and $NAME or ${NAME} anywhere; an unknown variable stays as it is, as in Python.
fs::path expanded(const std::string& text) {
  std::string out = text;
  if (out == "~" || out.starts_with("~/")) out = environment("HOME") + out.substr(1);
  for (size_t at = out.find('$'); at != std::string::npos; at = out.find('$', at)) {
    const bool braced = at + 1 < out.size() && out[at + 1] == '{';
    size_t end = at + (braced ? 2 : 1);
    while (end < out.size() && is_name_character(out[end])) ++end;
    const auto name = out.substr(at + (braced ? 2 : 1), end - at - (braced ? 2 : 1));
    const auto value = environment(name.c_str());
    const bool is_closed = !braced || (end < out.size() && out[end] == '}');
    if (value.empty() || !is_closed) {
      ++at;
      continue;
    }
    out.replace(at, end - at + (braced ? 1 : 0), value);
    at += value.size();
  }
  return out;
}

int64_t seconds(const char* name, int64_t fallback) {
  const auto text = environment(name);
  int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || (parsed.ptr == text.data() + text.size() && value == 0)) return fallback;
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < 0)
    throw ValueError(str("the variable ", name, " is ", quote(text), ", expected a number of seconds"));
  return value;
}

// The text itself stays out of the message: it is a secret.
std::string clean_token(std::string_view text, std::string_view where) {
  const std::string token(trim(text));
  for (const char c : token)
    if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 127)
      throw ValueError(str("the token of ", where, " has a character that no token has; log in again"));
  return token;
}

}  // namespace

std::string endpoint() {
  auto text = environment("HF_ENDPOINT");
  while (text.ends_with('/')) text.pop_back();
  if (text.empty()) return "https://huggingface.co";
  static_cast<void>(parse_url(text));
  return text;
}

fs::path home_folder() {
  if (const auto home = environment("HF_HOME"); !home.empty()) return expanded(home);
  if (const auto cache = environment("XDG_CACHE_HOME"); !cache.empty()) return expanded(cache) / "huggingface";
  return fs::path(environment("HOME")) / ".cache" / "huggingface";
}

fs::path cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE"})
    if (const auto value = environment(name); !value.empty()) return expanded(value);
  return home_folder() / "hub";
}

fs::path token_file() {
  const auto named = environment("HF_TOKEN_PATH");
  return named.empty() ? home_folder() / "token" : expanded(named);
}

bool is_offline() { return environment_flag("HF_HUB_OFFLINE") || environment_flag("TRANSFORMERS_OFFLINE"); }

bool are_links_disabled() { return environment_flag("HF_HUB_DISABLE_SYMLINKS"); }

int64_t answer_timeout_s() { return seconds("HF_HUB_ETAG_TIMEOUT", 10); }
int64_t stall_timeout_s() { return seconds("HF_HUB_DOWNLOAD_TIMEOUT", 10); }

fs::path certificates() {
  for (const char* name : {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}) {
    const auto value = environment(name);
    if (value.empty()) continue;
    const auto path = expanded(value);
    std::error_code ignored;
    if (!fs::exists(path, ignored))
      throw OSError(str("the variable ", name, " names ", path, " for the certificates, which is not there"));
    return path;
  }
  return {};
}

std::optional<std::string> stored_token() {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
    if (const auto token = clean_token(environment(name), name); !token.empty()) return token;
  const auto file = token_file();
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return std::nullopt;
  const auto token = clean_token(read_text(file, 64 << 10), file.native());
  return token.empty() ? std::nullopt : std::optional(token);
}

std::optional<std::string> choose_token(const std::optional<TokenArg>& asked) {
  if (asked && std::holds_alternative<std::string>(*asked)) {
    const auto token = clean_token(std::get<std::string>(*asked), "the call");
    return token.empty() ? std::nullopt : std::optional(token);
  }
  if (asked && !std::get<bool>(*asked)) return std::nullopt;
  if (!asked && environment_flag("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return std::nullopt;
  auto token = stored_token();
  if (asked && !token)
    throw OSError(str("token=true asks for the stored token, and neither HF_TOKEN nor ", token_file(),
                      " holds one; run `transformers-cpp login` first"));
  return token;
}

void take_old_token(std::optional<TokenArg>& token, const Json& value) {
  logging::deprecated("the argument use_auth_token is deprecated; use token");
  if (token) throw ValueError("token and its old name use_auth_token are both given; keep token");
  if (!value.is_bool() && !value.is_string())
    throw TypeError(str("use_auth_token is a ", value.type_name(), ", expected text or a bool"));
  token = value.is_bool() ? TokenArg(value.as_bool()) : TokenArg(value.as_string());
}

void store_token(std::string_view text) {
  const auto token = clean_token(text, "the call");
  if (token.empty()) throw ValueError("the token is empty; make one in the settings of your account");
  const auto file = token_file();
  std::error_code failure;
  if (file.has_parent_path()) fs::create_directories(file.parent_path(), failure);
  const auto temporary = fs::path(str(file, ".", int64_t{::getpid()}, ".tmp"));
  const int descriptor = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool is_written = descriptor >= 0 &&
                          ::write(descriptor, token.data(), token.size()) == static_cast<ssize_t>(token.size()) &&
                          ::fsync(descriptor) == 0;
  if (descriptor >= 0) ::close(descriptor);
  if (is_written && ::rename(temporary.c_str(), file.c_str()) == 0) return;
  const int code = errno;
  ::unlink(temporary.c_str());
  throw OSError(str(file, ": the token cannot be written: ", std::strerror(code)));
}

bool forget_token() {
  const auto file = token_file();
  std::error_code failure;
  const bool was_there = fs::remove(file, failure);
  if (failure) throw OSError(str(file, ": the token cannot be removed: ", failure.message()));
  return was_there;
}

}  // namespace transformers::hub
