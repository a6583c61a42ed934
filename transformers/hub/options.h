#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>

namespace transformers {

/// A token itself; true: the stored one, which must be there; false: none.
using TokenArg = std::variant<bool, std::string>;

namespace hub {

/// A broken connection, 429 and 5xx are tried again, after 2ⁿ times the first delay, randomly up to half more or less,
/// or after the Retry-After of the answer. Counting starts anew whenever bytes came that were not there before.
struct RetryPolicy {
  int retries = 5;
  double first_delay_s = 0.5, longest_delay_s = 8, longest_retry_after_s = 120;
};

/// How a lock is waited for.
struct LockPolicy {
  double message_every_s = 10;
  /// After so long without a sign of life of the holder the work goes on without the lock: it saves a second download,
  /// and nothing depends on it, since every process writes a file of its own.
  double most_idle_s = 60;
  double poll_every_s = 0.1;
  /// Tries to lock an open file without waiting; empty: flock, which Python's filelock uses too. For tests.
  std::function<bool(int descriptor)> try_lock = {};
};

/// How large files are fetched and sent.
struct TransferTuning {
  int connections = 4;                              // side by side, each asking for a range
  int64_t parallel_from_bytes = int64_t{32} << 20;  // smaller files come in one piece
  int64_t segment_bytes = int64_t{16} << 20;        // of one request
  int64_t upload_stall_timeout_s = 60;  // without progress; what the system has taken over may still be under way
};

}  // namespace hub

/// The download arguments of the reference. What is not said comes from the environment.
struct DownloadOptions {
  std::string revision = "main";  // branch, tag, commit, or a pull request's ref such as refs/pr/1
  std::string subfolder = {};     // of the repository
  std::optional<std::filesystem::path> cache_dir = {};
  bool force_download = false;
  bool local_files_only = false;
  std::optional<TokenArg> token = {};
  std::map<std::string, std::string> proxies = {};  // by "http", "https", "all" or "http://host"
  hub::RetryPolicy retry = {};
  hub::TransferTuning tuning = {};
  hub::LockPolicy lock = {};
};

}  // namespace transformers
