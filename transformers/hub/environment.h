#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "transformers/base/json.h"
#include "transformers/hub/options.h"

// What the environment says about the Hub: the variables of huggingface_hub, read whenever they are asked for. An empty
// variable counts as none; `~` and `$NAME` in folders are replaced.
namespace transformers::hub {

/// HF_ENDPOINT, or https://huggingface.co; no slash at the end. Throws ValueError for what is no http address.
[[nodiscard]] std::string endpoint();

/// HF_HOME, $XDG_CACHE_HOME/huggingface or ~/.cache/huggingface.
[[nodiscard]] std::filesystem::path home_folder();

/// HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, TRANSFORMERS_CACHE or <home>/hub.
[[nodiscard]] std::filesystem::path cache_folder();

/// HF_TOKEN_PATH or <home>/token.
[[nodiscard]] std::filesystem::path token_file();

/// HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is true.
[[nodiscard]] bool is_offline();

/// Files are copied instead of linked: HF_HUB_DISABLE_SYMLINKS.
[[nodiscard]] bool are_links_disabled();

/// Seconds to wait for an answer: HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT; each 10 by default.
[[nodiscard]] int64_t answer_timeout_s();
[[nodiscard]] int64_t stall_timeout_s();

/// The certificates that servers are checked against instead of the system's: the file or folder that
/// REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE or SSL_CERT_DIR names; empty when none does. Throws OSError naming
/// the variable when it is not there.
[[nodiscard]] std::filesystem::path certificates();

/// HF_TOKEN, HUGGING_FACE_HUB_TOKEN, or the token file's content.
[[nodiscard]] std::optional<std::string> stored_token();

/// The token that a call sends; none when the user is unknown. Throws OSError when `true` asks for one and none is
/// stored, and ValueError for a token that no header can carry.
[[nodiscard]] std::optional<std::string> choose_token(const std::optional<TokenArg>& asked);

/// Takes over what `token` is called in old programs, `use_auth_token`, and logs that it is deprecated. Throws
/// ValueError when both are given, and TypeError for what is neither text nor a bool.
void take_old_token(std::optional<TokenArg>& token, const Json& use_auth_token);

/// Writes the token file, for its owner alone. Throws ValueError, OSError.
void store_token(std::string_view token);
/// Removes the token file; false when there was none.
bool forget_token();

}  // namespace transformers::hub
