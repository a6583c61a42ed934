#include "transformers/hub/http.h"

#include <algorithm>
#include <charconv>

#include "transformers/base/strings.h"
#include "transformers/hub/detail/exchange.h"
#include "transformers/hub/environment.h"

namespace transformers::hub {

using detail::Exchange;

namespace {

// A request whose answer is kept in memory.
class Whole final : public Transfer {
 public:
  explicit Whole(const Request& request) : request_(request) {}

  Request request() override { return request_; }
  void begin(const Response& head) override {
    body_.clear();
    if (request_.method != "HEAD") check(head.headers.number("Content-Length").value_or(0));
  }
  void data(std::span<const std::byte> bytes) override {
    check(static_cast<int64_t>(body_.size() + bytes.size()));
    body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  Next finish(const Response& response) override {
    result = response;
    if (response.status >= 200 && response.status < 300) result.body = std::move(body_);
    return Next::Done;
  }
  int64_t progress() const override { return 0; }

  Response result;

 private:
  void check(int64_t size_bytes) const {
    if (size_bytes > request_.most_body_bytes)
      throw HubError(str(display_url(request_.url), ": the answer has ", size_bytes, " bytes, at most ",
                         request_.most_body_bytes, " are expected"));
  }

  const Request& request_;
  std::string body_;
};

}  // namespace

std::optional<std::string> Headers::find(std::string_view name) const {
  const auto wanted = to_lower_ascii(name);
  for (const auto& [key, value] : lines_)
    if (to_lower_ascii(key) == wanted) return value;
  return std::nullopt;
}

std::optional<int64_t> Headers::number(std::string_view name) const {
  const auto text = find(name);
  int64_t value = 0;
  if (!text || text->empty()) return std::nullopt;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  const bool is_number = parsed.ec == std::errc() && parsed.ptr == text->data() + text->size() && value >= 0;
  return is_number ? std::optional(value) : std::nullopt;
}

void Transfer::body(int64_t, std::span<std::byte>) { throw RuntimeError("this transfer has no body to send"); }

struct HttpClient::Impl {
  explicit Impl(ClientOptions given) : options(std::move(given)), curl(detail::curl()), multi(curl.multi_init()) {
    if (!multi) throw RuntimeError("libcurl gives no handle; not enough memory");
  }
  ~Impl() { curl.multi_cleanup(multi); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  using Exchanges = std::vector<std::unique_ptr<Exchange>>;
  void start_due(Exchanges& exchanges) const;
  void collect(Exchanges& exchanges) const;
  void wait(const Exchanges& exchanges) const;

  ClientOptions options;
  const detail::Curl& curl;
  CURLM* multi;
};

void HttpClient::Impl::start_due(Exchanges& exchanges) const {
  for (auto& exchange : exchanges) {
    if (exchange->is_running || exchange->due() > Exchange::Clock::now()) continue;
    exchange->start();
    exchange->is_running = true;
    curl.multi_add_handle(multi, exchange->handle());
  }
}

void HttpClient::Impl::collect(Exchanges& exchanges) const {
  int left = 0;
  while (const CURLMsg* message = curl.multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const auto code = message->data.result;
    const auto handle = message->easy_handle;
    curl.multi_remove_handle(multi, handle);  // `message` is gone after this
    const auto found = std::find_if(exchanges.begin(), exchanges.end(),
                                    [&](const auto& exchange) { return exchange->handle() == handle; });
    (*found)->is_running = false;
    if ((*found)->ended(code)) exchanges.erase(found);
  }
}

void HttpClient::Impl::wait(const Exchanges& exchanges) const {
  int64_t milliseconds = 250;  // between looks for transfers that stall
  for (const auto& exchange : exchanges) {
    if (exchange->is_running) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(exchange->due() - Exchange::Clock::now()).count();
    milliseconds = std::clamp<int64_t>(left, 0, milliseconds);
  }
  if (milliseconds > 0) curl.multi_poll(multi, nullptr, 0, static_cast<int>(milliseconds), nullptr);
}

HttpClient::HttpClient(ClientOptions options) {
  if (is_offline())
    throw OfflineModeIsEnabled("the Hub cannot be asked: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set; unset it");
  impl_ = std::make_unique<Impl>(std::move(options));
}

HttpClient::~HttpClient() = default;

const ClientOptions& HttpClient::options() const { return impl_->options; }

Response HttpClient::send(const Request& request) {
  Whole transfer(request);
  Transfer* const list[] = {&transfer};
  run(list);
  return std::move(transfer.result);
}

void HttpClient::run(std::span<Transfer* const> transfers) {
  struct Guard {  // handles leave the loop before they are freed, whatever is thrown
    const Impl& impl;
    Impl::Exchanges exchanges = {};
    ~Guard() {
      for (const auto& exchange : exchanges)
        if (exchange->is_running) impl.curl.multi_remove_handle(impl.multi, exchange->handle());
    }
  } guard{*impl_};
  for (auto* transfer : transfers) guard.exchanges.push_back(std::make_unique<Exchange>(*transfer, impl_->options));
  while (!guard.exchanges.empty()) {
    impl_->start_due(guard.exchanges);
    int running = 0;
    impl_->curl.multi_perform(impl_->multi, &running);
    impl_->collect(guard.exchanges);
    if (!guard.exchanges.empty()) impl_->wait(guard.exchanges);
  }
}

}  // namespace transformers::hub
