#include "transformers/base/logging.h"

#include <cstdio>
#include <mutex>
#include <unordered_set>

#include "transformers/base/files.h"
#include "transformers/base/strings.h"

namespace transformers::logging {

namespace {

Level initial_level() {
  constexpr std::pair<std::string_view, Level> names[] = {{"detail", Level::Debug}, {"debug", Level::Debug},
                                                          {"info", Level::Info},    {"warning", Level::Warning},
                                                          {"error", Level::Error},  {"critical", Level::Error}};
  const auto wanted = to_lower_ascii(environment("TRANSFORMERS_VERBOSITY"));
  for (const auto& [name, level] : names)
    if (name == wanted) return level;
  if (!wanted.empty())
    std::fprintf(stderr,
                 "warning: TRANSFORMERS_VERBOSITY is none of detail, debug, info, warning, error, critical; it is "
                 "taken as warning\n");
  return Level::Warning;
}

}  // namespace

// Deriving keeps the records reachable for `emit`, which is no member of Capture.
struct Captured {
  std::vector<Record> records;
  Captured* outer = nullptr;
};
struct Capture::State : Captured {};

namespace {

struct Registry {
  std::mutex mutex;           // of all but the observer
  std::mutex observer_mutex;  // held while it is called, so that it may log
  Level level = initial_level();
  Sink sink;
  ProgressObserver observer;
  std::unordered_set<std::string> shown;
  Captured* capture = nullptr;  // the innermost one
};

Registry& registry() {
  static Registry instance;
  return instance;
}

void write_to_stderr(const Record& record) {
  constexpr const char* names[] = {"debug", "info", "warning", "error"};
  std::fprintf(stderr, "%s: %s\n", names[static_cast<int>(record.level)], record.text.c_str());
}

void emit(Record record, bool once = false) {
  auto& r = registry();
  const std::lock_guard lock(r.mutex);
  if (!r.capture && record.level < r.level) return;  // before it counts as shown
  if (once && !r.shown.insert(record.text).second) return;
  if (r.capture) {
    r.capture->records.push_back(std::move(record));
  } else {
    if (record.category == "advisory" && environment_flag("TRANSFORMERS_NO_ADVISORY_WARNINGS")) return;
    r.sink ? r.sink(record) : write_to_stderr(record);
  }
}

}  // namespace

void debug(std::string_view text) { emit({.level = Level::Debug, .text = std::string(text)}); }

void info(std::string_view text) { emit({.level = Level::Info, .text = std::string(text)}); }

void warning(std::string_view text, std::string_view category) {
  emit({.level = Level::Warning, .text = std::string(text), .category = std::string(category)});
}

void error(std::string_view text) { emit({.level = Level::Error, .text = std::string(text)}); }

void warning_once(std::string_view text, std::string_view category) {
  emit({.level = Level::Warning, .text = std::string(text), .category = std::string(category)}, true);
}

void deprecated(std::string_view text) { warning_once(text, "FutureWarning"); }

void set_progress_observer(ProgressObserver observer) {
  const std::lock_guard lock(registry().observer_mutex);
  registry().observer = std::move(observer);
}

void report_progress(const Progress& progress) {
  const std::lock_guard lock(registry().observer_mutex);
  if (registry().observer) registry().observer(progress);
}

void set_verbosity(Level level) {
  const std::lock_guard lock(registry().mutex);
  registry().level = level;
}

Level get_verbosity() {
  const std::lock_guard lock(registry().mutex);
  return registry().level;
}

void set_sink(Sink sink) {
  const std::lock_guard lock(registry().mutex);
  registry().sink = std::move(sink);
}

Capture::Capture() : state_(std::make_unique<State>()) {
  const std::lock_guard lock(registry().mutex);
  state_->outer = registry().capture;
  registry().capture = state_.get();
}

Capture::~Capture() {
  const std::lock_guard lock(registry().mutex);
  registry().capture = state_->outer;
}

std::vector<Record> Capture::records() const {
  const std::lock_guard lock(registry().mutex);
  return state_->records;
}

bool Capture::contains(std::string_view text, Level level) const {
  for (const auto& record : records())
    if (record.level >= level && record.text.find(text) != std::string::npos) return true;
  return false;
}

void Capture::reset_once() {
  const std::lock_guard lock(registry().mutex);
  registry().shown.clear();
}

}  // namespace transformers::logging
