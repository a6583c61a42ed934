#pragma once

#include <optional>
#include <stdexcept>
#include <string>

namespace transformers {

/// Root of everything the library throws. The text is one sentence: what, where (file, key), expected and found, what
/// to do. Callers choose by kind, people read the text. The kinds carry the names that users of the reference know.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct ValueError : Error {
  using Error::Error;
};
struct TypeError : Error {
  using Error::Error;
};
struct KeyError : Error {
  using Error::Error;
};
struct AttributeError : Error {
  using Error::Error;
};
struct RuntimeError : Error {
  using Error::Error;
};
struct NotImplementedError : Error {
  using Error::Error;
};
/// An optional backend is not in this build.
struct ImportError : Error {
  using Error::Error;
};
/// A file or folder is missing, unreadable or malformed.
struct OSError : Error {
  using Error::Error;
};
using EnvironmentError = OSError;
struct FileNotFoundError : OSError {
  using OSError::OSError;
};

/// Anything that concerns a repository of the Hub; `status` is the HTTP status when a server answered.
struct HubError : OSError {
  explicit HubError(const std::string& text, std::optional<int> http_status = std::nullopt)
      : OSError(text), status(http_status) {}
  std::optional<int> status;
};
struct RepositoryNotFoundError : HubError {
  using HubError::HubError;
};
struct GatedRepoError : RepositoryNotFoundError {
  using RepositoryNotFoundError::RepositoryNotFoundError;
};
struct RevisionNotFoundError : HubError {
  using HubError::HubError;
};
struct EntryNotFoundError : HubError {
  using HubError::HubError;
};
struct LocalEntryNotFoundError : EntryNotFoundError {
  using EntryNotFoundError::EntryNotFoundError;
};
struct OfflineModeIsEnabled : HubError {
  using HubError::HubError;
};

}  // namespace transformers
