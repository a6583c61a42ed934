#pragma once

#include <optional>
#include <string>
#include <string_view>

// What may be part of a path in the cache or of an address of the Hub. Names come from users, servers and other
// repositories; none of them may lead out of its folder.
namespace transformers::hub {

/// "name" or "organisation/name".
[[nodiscard]] bool is_repo_id(std::string_view text);
/// Forty lower-case hexadecimal digits.
[[nodiscard]] bool is_commit(std::string_view text);
[[nodiscard]] bool is_sha256(std::string_view text);

/// Each throws ValueError naming the text and what is wrong with it.
void check_repo_id(std::string_view text);
void check_revision(std::string_view text);
/// A file's name in a repository: relative, `/` between its parts.
void check_file_name(std::string_view text);

/// The blob's name that an ETag header gives, quotes and weakness taken off. Throws HubError for one that cannot be a
/// file's name.
[[nodiscard]] std::string blob_name(std::string_view etag);

/// Python's fnmatchcase: `*` also matches `/`, `?`, `[abc]`, `[!abc]`. Linear in memory, no backtracking beyond `*`.
[[nodiscard]] bool matches(std::string_view name, std::string_view pattern);

}  // namespace transformers::hub
