#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transformers/base/error.h"
#include "transformers/hub/options.h"

namespace transformers::hub {

/// No answer came: refused, cut, timed out, no such host. `status` is empty.
struct ConnectionError : HubError {
  using HubError::HubError;
};

/// Header lines in their order; names are compared without regard to case.
class Headers {
 public:
  void add(std::string name, std::string value) { lines_.emplace_back(std::move(name), std::move(value)); }
  [[nodiscard]] std::optional<std::string> find(std::string_view name) const;
  /// The value as a number; nothing when it is absent or none.
  [[nodiscard]] std::optional<int64_t> number(std::string_view name) const;
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& lines() const { return lines_; }

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

/// Redirects are followed at most ten times, never from https to http, and no token goes to another host. `StayHome`:
/// one that leads to another host is given back as it is; a HEAD on the Hub carries its facts there.
enum class Redirects { Follow, StayHome };

/// Half open, in bytes.
struct ByteRange {
  int64_t begin = 0, end = 0;
};

/// One request. A token is no header of it: the client adds its own where it belongs.
struct Request {
  std::string method = "GET";
  std::string url = {};
  Headers headers = {};
  std::string body = {};
  std::optional<int64_t> sent_bytes = {};  // of a body that Transfer::body gives piece by piece, instead of `body`
  std::optional<ByteRange> range = {};
  Redirects redirects = Redirects::Follow;
  bool on_own_connection = false;      // HTTP/1.1, so that several do not share one
  int64_t timeout_s = 0;               // for the whole exchange; 0: as long as bytes come
  int64_t stall_timeout_s = 0;         // without a byte in either direction; 0: the client's
  int retries = -1;                    // below 0: the client's
  bool is_repeatable = true;           // false: tried again only when the server surely did nothing
  int64_t most_body_bytes = 64 << 20;  // of an answer kept in memory
};

struct Response {
  int status = 0;
  Headers headers = {};
  std::string body = {};
  std::string url = {};       // where it came from, after redirects
  std::string location = {};  // where it would have led: only with Redirects::StayHome
};

struct ClientOptions {
  std::string endpoint = {};  // the token goes there and nowhere else
  std::optional<std::string> token = {};
  std::map<std::string, std::string> proxies =
      {};  // by "http", "https", "all" or "http://host"; else the environment's
  int64_t answer_timeout_s = 10, stall_timeout_s = 10;
  RetryPolicy retry = {};
};

/// A request whose answer goes to a place of its own, piece by piece. Called from the thread of `HttpClient::run`.
/// What a method throws ends the run.
class Transfer {
 public:
  enum class Next { Done, Again };

  virtual ~Transfer() = default;
  /// Asked for before every attempt: a transfer that was cut asks for what it still lacks.
  [[nodiscard]] virtual Request request() = 0;
  /// Fills `bytes` with what stands at `offset` of the request's body; asked again from 0 by every attempt.
  virtual void body(int64_t offset, std::span<std::byte> bytes);
  /// The head of an answer with a 2xx status; then its body.
  virtual void begin(const Response& head) = 0;
  virtual void data(std::span<const std::byte> bytes) = 0;
  /// The answer is complete, whatever its status, or was of no use after all retries. `Again`: `request` has more.
  [[nodiscard]] virtual Next finish(const Response& response) = 0;
  /// Grows with every byte that need not be asked for again.
  [[nodiscard]] virtual int64_t progress() const = 0;
};

/// HTTP and HTTPS over libcurl, which is loaded by the first client; connections are kept and used again. Not
/// thread-safe: one client per thread.
class HttpClient {
 public:
  /// Throws OfflineModeIsEnabled when the environment forbids the network, ImportError when libcurl is not there.
  explicit HttpClient(ClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Throws ConnectionError, HubError for an answer that breaks the rules above; any status is a proper answer.
  [[nodiscard]] Response send(const Request& request);
  /// Runs transfers side by side to their end. Throws as `send` does, and what a transfer throws.
  void run(std::span<Transfer* const> transfers);

  [[nodiscard]] const ClientOptions& options() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace transformers::hub
