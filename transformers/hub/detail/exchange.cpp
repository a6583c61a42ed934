#include "transformers/hub/detail/exchange.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <random>

#include "transformers/base/files.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/environment.h"

namespace transformers::hub::detail {

namespace {

constexpr int kMostRedirects = 10;
constexpr size_t kMostHeaderBytes = 256 << 10;
constexpr size_t kMostErrorBytes = 64 << 10;

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool is_worth_a_retry(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

bool is_worth_a_retry(CURLcode code) {
  constexpr CURLcode codes[] = {CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT,      CURLE_PARTIAL_FILE,
                                CURLE_OPERATION_TIMEDOUT,   CURLE_SSL_CONNECT_ERROR,    CURLE_GOT_NOTHING,
                                CURLE_SEND_ERROR,           CURLE_RECV_ERROR,           CURLE_HTTP2,
                                CURLE_HTTP2_STREAM,         CURLE_COULDNT_RESOLVE_PROXY};
  return std::find(std::begin(codes), std::end(codes), code) != std::end(codes);
}

bool is_credential(std::string_view header) {
  const auto name = to_lower_ascii(header);
  return name == "authorization" || name == "proxy-authorization" || name == "cookie";
}

// No server has seen the request, or it said that it would not look at it. A 503 may be a proxy's, whose server went
// away in the middle of the work.
bool is_surely_undone(CURLcode code) {
  return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR ||
         code == CURLE_COULDNT_RESOLVE_PROXY;
}
bool is_surely_undone(int status) { return status == 429; }

double random_factor() {
  static thread_local std::minstd_rand generator(std::random_device{}());
  return std::uniform_real_distribution<double>(0.5, 1.5)(generator);
}

}  // namespace

Exchange::Exchange(Transfer& transfer, const ClientOptions& options)
    : transfer_(transfer), options_(options), curl_(curl()), easy_(curl_.easy_init()) {
  if (!easy_) throw RuntimeError("libcurl gives no handle; not enough memory");
}

Exchange::~Exchange() {
  curl_.easy_cleanup(easy_);
  curl_.slist_free_all(header_list_);
}

int64_t Exchange::stall_timeout_s() const {
  return request_.stall_timeout_s > 0 ? request_.stall_timeout_s : options_.stall_timeout_s;
}

bool Exchange::is_at_home(const Url& url) const {
  return !options_.endpoint.empty() && url.origin() == parse_url(options_.endpoint).origin();
}

void Exchange::start() {
  if (!is_redirected_) {
    request_ = transfer_.request();
    url_ = parse_url(request_.url);
    redirects_ = 0;
  }
  is_head_passed_on_ = is_stalled_ = false;
  moved_bytes_ = 0;
  sent_ = 0;
  moved_at_ = Clock::now();
  progress_ = transfer_.progress();
  response_ = {};
  header_bytes_ = 0;
  set_up();
  is_redirected_ = false;
}

void Exchange::set_up() {
  const auto set = curl_.easy_setopt;
  curl_.easy_reset(easy_);
  message_[0] = 0;
  set(easy_, CURLOPT_ERRORBUFFER, message_);
  set(easy_, CURLOPT_URL, url_.text().c_str());
  set(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy_, CURLOPT_NOSIGNAL, 1L);
  set(easy_, CURLOPT_PRIVATE, this);
  set(easy_, CURLOPT_PATH_AS_IS, 1L);
  set(easy_, CURLOPT_HTTP_VERSION,
      static_cast<long>(request_.on_own_connection ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
  set(easy_, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options_.answer_timeout_s));
  // On a kept connection that turns out to be closed libcurl sends the request again by itself.
  if (!request_.is_repeatable) set(easy_, CURLOPT_FRESH_CONNECT, 1L);
  // libcurl's own watch on the speed looks at the mean of several seconds.
  set(easy_, CURLOPT_NOPROGRESS, 0L);
  set(easy_, CURLOPT_XFERINFOFUNCTION, &Exchange::on_progress);
  set(easy_, CURLOPT_XFERINFODATA, this);
  set(easy_, CURLOPT_TIMEOUT, static_cast<long>(request_.timeout_s));
  set(easy_, CURLOPT_BUFFERSIZE, 512L << 10);
  set(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy_, CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  set(easy_, CURLOPT_HEADERDATA, this);
  set(easy_, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  set(easy_, CURLOPT_WRITEDATA, this);
  set_headers();
  set_method();
  set_proxy();
  if (url_.scheme == "https") set_certificates();
}

void Exchange::set_headers() {
  const auto set = curl_.easy_setopt;
  curl_.slist_free_all(header_list_);
  header_list_ = nullptr;
  const auto add = [this](const std::string& line) { header_list_ = curl_.slist_append(header_list_, line.c_str()); };
  // Name and version, and nothing about the machine or the user.
  add("User-Agent: transformers.cpp/" TRANSFORMERS_VERSION);
  add("Expect:");
  if (request_.method != "HEAD") add("Accept-Encoding: identity");
  // A key that a server gave for one address is not for the host that this one redirects to.
  const bool is_elsewhere = is_redirected_ && url_.origin() != parse_url(request_.url).origin();
  for (const auto& [name, value] : request_.headers.lines())
    if (!is_elsewhere || !is_credential(name)) add(str(name, ": ", value));
  // The one place where the token is put into a request.
  if (options_.token && is_at_home(url_)) add(str("Authorization: Bearer ", *options_.token));
  set(easy_, CURLOPT_HTTPHEADER, header_list_);
  if (request_.range) {
    set(easy_, CURLOPT_RANGE, str(request_.range->begin, "-", request_.range->end - 1).c_str());
  }
}

void Exchange::set_method() {
  const auto set = curl_.easy_setopt;
  if (request_.method == "HEAD") {
    set(easy_, CURLOPT_NOBODY, 1L);
  } else if (request_.sent_bytes) {
    set(easy_, CURLOPT_UPLOAD, 1L);
    set(easy_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(*request_.sent_bytes));
    set(easy_, CURLOPT_UPLOAD_BUFFERSIZE, 1L << 20);
    set(easy_, CURLOPT_READFUNCTION, &Exchange::on_send);
    set(easy_, CURLOPT_READDATA, this);
    set(easy_, CURLOPT_SEEKFUNCTION, &Exchange::on_seek);
    set(easy_, CURLOPT_SEEKDATA, this);
    set(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  } else if (request_.method != "GET") {
    set(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    set(easy_, CURLOPT_POSTFIELDS, request_.body.c_str());
    set(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  }
}

void Exchange::set_proxy() {
  for (const auto& key : {str(url_.scheme, "://", url_.host), url_.scheme, std::string("all")})
    if (const auto found = options_.proxies.find(key); found != options_.proxies.end()) {
      curl_.easy_setopt(easy_, CURLOPT_PROXY, found->second.c_str());
      return;
    }
  // libcurl reads every variable but this one, which a CGI program must not trust; the Python client does.
  const auto proxy = environment("HTTP_PROXY");
  if (url_.scheme == "http" && !proxy.empty() && environment("http_proxy").empty())
    curl_.easy_setopt(easy_, CURLOPT_PROXY, proxy.c_str());
}

// libcurl itself reads none of the variables that the Python client and its own program obey.
void Exchange::set_certificates() {
  const auto path = certificates();
  std::error_code ignored;
  if (path.empty()) return;
  curl_.easy_setopt(easy_, std::filesystem::is_directory(path, ignored) ? CURLOPT_CAPATH : CURLOPT_CAINFO,
                    path.c_str());
}

size_t Exchange::on_header(char* text, size_t unit, size_t count, void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  try {
    exchange.take_header({text, unit * count});
    return unit * count;
  } catch (...) {
    exchange.failure_ = std::current_exception();
    return 0;
  }
}

size_t Exchange::on_body(char* bytes, size_t unit, size_t count, void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  try {
    exchange.take_body(std::as_bytes(std::span(bytes, unit * count)));
    return unit * count;
  } catch (...) {
    exchange.failure_ = std::current_exception();
    return unit * count == 0 ? 1 : 0;
  }
}

size_t Exchange::on_send(char* bytes, size_t unit, size_t count, void* self) {
  auto& exchange = *static_cast<Exchange*>(self);
  try {
    const auto left = *exchange.request_.sent_bytes - exchange.sent_;
    const auto size = static_cast<size_t>(std::min<int64_t>(left, static_cast<int64_t>(unit * count)));
    if (size > 0) exchange.transfer_.body(exchange.sent_, std::as_writable_bytes(std::span(bytes, size)));
    exchange.sent_ += static_cast<int64_t>(size);
    return size;
  } catch (...) {
    exchange.failure_ = std::current_exception();
    return CURL_READFUNC_ABORT;
  }
}

// libcurl begins anew when a connection that it kept turns out to be closed.
int Exchange::on_seek(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Exchange*>(self)->sent_ = offset;
  return CURL_SEEKFUNC_OK;
}

int Exchange::on_progress(void* self, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
  auto& exchange = *static_cast<Exchange*>(self);
  const auto now = Clock::now();
  if (received + sent != exchange.moved_bytes_) {
    exchange.moved_bytes_ = received + sent;
    exchange.moved_at_ = now;
  }
  exchange.is_stalled_ = now - exchange.moved_at_ > std::chrono::seconds(exchange.stall_timeout_s());
  return exchange.is_stalled_ ? 1 : 0;
}

void Exchange::take_header(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > kMostHeaderBytes)
    throw HubError(str(display_url(url_.text()), ": the answer's head is longer than ", kMostHeaderBytes, " bytes"));
  if (line.starts_with("HTTP/")) {  // also the one that follows an interim answer
    response_ = {.status = 0, .url = url_.text()};
    const auto space = line.find(' ');
    if (space != std::string_view::npos) response_.status = std::atoi(std::string(line.substr(space + 1, 3)).c_str());
    return;
  }
  const auto colon = line.find(':');
  if (colon != std::string_view::npos)
    response_.headers.add(std::string(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1))));
  if (!trim(line).empty() || response_.status < 200 || response_.status > 299 || is_head_passed_on_) return;
  is_head_passed_on_ = true;
  transfer_.begin(response_);
}

void Exchange::take_body(std::span<const std::byte> bytes) {
  if (is_head_passed_on_) return transfer_.data(bytes);
  const auto taken = std::min(bytes.size(), kMostErrorBytes - response_.body.size());
  response_.body.append(reinterpret_cast<const char*>(bytes.data()), taken);
}

std::string Exchange::flaw(CURLcode code) const {
  const std::string_view what = message_[0] != 0 ? message_ : curl_.easy_strerror(code);
  const auto address = display_url(url_.text());
  if (is_stalled_) return str(address, ": nothing moved for ", stall_timeout_s(), " s");
  if (code == CURLE_PEER_FAILED_VERIFICATION)
    return str(address, ": the server's certificate is not trusted (", what,
               "); if it is a mirror or proxy of yours, let SSL_CERT_FILE name a file with its certificate");
  if (code == CURLE_SSL_CACERT_BADFILE)
    return str(address, ": no certificates can be read from ", certificates(), " (", what, ")");
  return str(address, ": ", what);
}

bool Exchange::ended(CURLcode code) {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  if (code == CURLE_OK) return answered();
  const auto why = flaw(code);
  if (!is_worth_a_retry(code) && !is_stalled_) throw ConnectionError(why);
  if (!request_.is_repeatable && !is_surely_undone(code)) throw ConnectionError(why);
  retry_or_throw(why, std::nullopt, 0);
  return false;
}

bool Exchange::answered() {
  const int status = response_.status;
  if (is_redirect(status) && response_.headers.find("Location") && redirected()) return false;
  if (is_worth_a_retry(status) && (request_.is_repeatable || is_surely_undone(status))) {
    const int allowed = request_.retries < 0 ? options_.retry.retries : request_.retries;
    const auto wait = retry_after_s();
    if (failures_ < allowed && wait <= options_.retry.longest_retry_after_s) {
      retry_or_throw(str(display_url(url_.text()), ": the server answered ", status), status, wait);
      return false;
    }
  }
  if (transfer_.finish(response_) == Transfer::Next::Done) return true;
  if (transfer_.progress() > progress_) {
    failures_ = 0;
    due_ = Clock::now();
  } else {
    retry_or_throw(str(display_url(url_.text()), ": the answer is shorter than it should be"), status, 0);
  }
  return false;
}

bool Exchange::redirected() {
  const auto next = follow(url_, *response_.headers.find("Location"));
  if (request_.redirects == Redirects::StayHome && next.origin() != url_.origin()) {
    response_.location = next.text();
    return false;
  }
  if (++redirects_ > kMostRedirects)
    throw HubError(str(display_url(request_.url), ": more than ", kMostRedirects, " redirects"), response_.status);
  if (url_.scheme == "https" && next.scheme == "http")
    throw HubError(str(display_url(request_.url), ": is redirected from https to http (", display_url(next.text()),
                       "), which is refused"),
                   response_.status);
  if (request_.method != "GET" && request_.method != "HEAD" && response_.status != 307 && response_.status != 308)
    throw HubError(str(display_url(request_.url), ": a ", request_.method, " was redirected"), response_.status);
  url_ = next;
  is_redirected_ = true;
  due_ = Clock::now();
  return true;
}

void Exchange::retry_or_throw(const std::string& why, std::optional<int> status, double least_delay_s) {
  const auto& policy = options_.retry;
  if (transfer_.progress() > progress_) failures_ = 0;
  const int allowed = request_.retries < 0 ? policy.retries : request_.retries;
  if (failures_ >= allowed)
    throw ConnectionError(allowed == 0 ? why : str(why, " (after ", allowed, " more attempts)"), status);
  const double delay = std::min(policy.longest_delay_s, policy.first_delay_s * std::pow(2.0, failures_));
  const double wait = std::max(least_delay_s, delay * random_factor());
  ++failures_;
  logging::info(str(why, "; trying again in ", std::round(wait * 10) / 10, " s"));
  is_redirected_ = false;
  due_ = Clock::now() + std::chrono::microseconds(static_cast<int64_t>(wait * 1e6));
}

// Seconds, or a date.
double Exchange::retry_after_s() const {
  const auto text = response_.headers.find("Retry-After");
  if (!text) return 0;
  if (const auto seconds = response_.headers.number("Retry-After")) return static_cast<double>(*seconds);
  const auto date = curl_.getdate(text->c_str(), nullptr);
  return date < 0 ? 0 : std::max(0.0, std::difftime(date, std::time(nullptr)));
}

}  // namespace transformers::hub::detail
