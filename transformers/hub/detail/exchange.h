#pragma once

#include <chrono>
#include <exception>
#include <string>

#include "transformers/hub/detail/curl.h"
#include "transformers/hub/http.h"
#include "transformers/hub/url.h"

namespace transformers::hub::detail {

/// One transfer on its way through attempts and redirects. Made and driven by HttpClient.
class Exchange {
 public:
  using Clock = std::chrono::steady_clock;

  Exchange(Transfer& transfer, const ClientOptions& options);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// Sets the handle up for the next request; the client then adds it to its loop.
  void start();
  /// What the loop says of it. True when the transfer is done; else it is to be started again at `due`.
  [[nodiscard]] bool ended(CURLcode code);

  [[nodiscard]] CURL* handle() const { return easy_; }
  [[nodiscard]] Clock::time_point due() const { return due_; }
  bool is_running = false;

 private:
  static size_t on_header(char* text, size_t unit, size_t count, void* self);
  static size_t on_body(char* bytes, size_t unit, size_t count, void* self);
  static size_t on_send(char* bytes, size_t unit, size_t count, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);
  static int on_progress(void* self, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent);
  void take_header(std::string_view line);
  void take_body(std::span<const std::byte> bytes);
  void set_up();
  void set_headers();
  void set_method();
  void set_proxy();
  void set_certificates();
  [[nodiscard]] std::string flaw(CURLcode code) const;
  [[nodiscard]] bool redirected();
  [[nodiscard]] bool answered();
  void retry_or_throw(const std::string& why, std::optional<int> status, double least_delay_s);
  [[nodiscard]] double retry_after_s() const;
  [[nodiscard]] int64_t stall_timeout_s() const;
  [[nodiscard]] bool is_at_home(const Url& url) const;

  Transfer& transfer_;
  const ClientOptions& options_;
  const Curl& curl_;
  CURL* easy_ = nullptr;
  curl_slist* header_list_ = nullptr;
  char message_[CURL_ERROR_SIZE] = {};
  Request request_;
  Url url_;
  Response response_;
  size_t header_bytes_ = 0;
  int redirects_ = 0, failures_ = 0;
  int64_t progress_ = 0;
  bool is_head_passed_on_ = false, is_redirected_ = false, is_stalled_ = false;
  curl_off_t moved_bytes_ = 0;
  int64_t sent_ = 0;  // of a body that comes piece by piece
  Clock::time_point moved_at_;
  std::exception_ptr failure_;
  Clock::time_point due_ = Clock::now();
};

}  // namespace transformers::hub::detail
