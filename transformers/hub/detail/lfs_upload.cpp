#include "transformers/hub/detail/lfs_upload.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <set>

#include "transformers/base/json.h"
#include "transformers/base/logging.h"
#include "transformers/base/strings.h"
#include "transformers/hub/api.h"
#include "transformers/hub/detail/upload_state.h"
#include "transformers/hub/url.h"

namespace transformers::hub::detail {

namespace {

constexpr size_t kMostObjects = 256;       // of one question to the storage
constexpr int64_t kAssemblyTimeout = 600;  // for parts that are put together
constexpr int kMostRounds = 5;
constexpr std::chrono::seconds kNoteEvery(1);  // a note has the addresses of all parts

// The addresses of an object are not good any more.
bool is_stale(int status) { return status >= 400 && status < 500 && status != 408 && status != 429; }
struct Stale {
  const LfsUpload* upload;
  int status;
};

// One object on its way.
struct Sending {
  const LfsUpload* upload;
  LfsAction action;
  UploadState state;
  std::vector<std::string> tags = {};  // of the parts that are there; empty: not there
  size_t parts_left = 0;
  bool is_noted = true;  // all that is there, for an upload that goes on
  std::chrono::steady_clock::time_point noted_at = {};

  void note(bool at_once) {
    const auto now = std::chrono::steady_clock::now();
    if (is_noted || (!at_once && now - noted_at < kNoteEvery)) return;
    state.save(action, size_bytes(), tags);
    is_noted = true;
    noted_at = now;
  }
  [[nodiscard]] bool is_in_parts() const { return action.part_bytes > 0; }
  [[nodiscard]] int64_t size_bytes() const { return upload->object.size_bytes; }
  [[nodiscard]] ByteRange range(size_t part) const {
    if (!is_in_parts()) return {.begin = 0, .end = size_bytes()};
    const auto begin = static_cast<int64_t>(part) * action.part_bytes;
    return {.begin = begin, .end = std::min(begin + action.part_bytes, size_bytes())};
  }
};

struct Task {
  enum class Kind { Send, Assemble, Verify };
  Kind kind = Kind::Send;
  Sending* sending = nullptr;
  size_t part = 0;
};

// What is still to be asked for, shared by the transfers.
class Work {
 public:
  void add(Sending& sending) {
    for (size_t part = 0; part < sending.tags.size(); ++part) {
      const auto range = sending.range(part);
      total_ += range.end - range.begin;
      if (sending.tags[part].empty()) {
        tasks_.push_back({.sending = &sending, .part = part});
        ++sending.parts_left;
      } else {
        done_ += range.end - range.begin;
      }
    }
    if (sending.parts_left == 0) after_parts(sending);
  }
  [[nodiscard]] std::optional<Task> take() {
    if (tasks_.empty()) return std::nullopt;
    const auto task = tasks_.front();
    tasks_.pop_front();
    return task;
  }
  [[nodiscard]] size_t size() const { return tasks_.size(); }
  [[nodiscard]] const std::set<const LfsUpload*>& finished() const { return finished_; }
  void moved(const Sending& sending, int64_t bytes) {
    done_ += bytes;
    report(sending, false);
  }
  void done(const Task& task, const Response& response) {
    auto& sending = *task.sending;
    if (task.kind == Task::Kind::Send) {
      sending.tags[task.part] = response.headers.find("ETag").value_or("");
      if (sending.is_in_parts()) {
        if (sending.tags[task.part].empty())
          throw HubError(str(sending.upload->name, ": the storage takes a part and gives no ETag for it"));
        sending.is_noted = false;
        sending.note(false);
      }
      if (--sending.parts_left == 0) after_parts(sending);
      report(sending, true);
    } else if (task.kind == Task::Kind::Assemble && !sending.action.verify_url.empty()) {
      tasks_.push_front({.kind = Task::Kind::Verify, .sending = &sending});
    } else {
      finish(sending);
    }
  }

 private:
  void after_parts(Sending& sending) {
    if (sending.is_in_parts())
      tasks_.push_front({.kind = Task::Kind::Assemble, .sending = &sending});
    else if (!sending.action.verify_url.empty())
      tasks_.push_front({.kind = Task::Kind::Verify, .sending = &sending});
    else
      finish(sending);
  }
  void finish(Sending& sending) {
    sending.state.remove();
    sending.is_noted = true;
    finished_.insert(sending.upload);
  }
  void report(const Sending& sending, bool is_forced) {
    const auto now = std::chrono::steady_clock::now();
    if (!is_forced && now - reported_ < std::chrono::milliseconds(50)) return;
    reported_ = now;
    const auto phase = str("uploading ", sending.upload->name);
    logging::report_progress({.phase = phase, .done = done_, .total = total_, .unit = "B"});
  }

  std::deque<Task> tasks_;
  std::set<const LfsUpload*> finished_;
  int64_t done_ = 0, total_ = 0;
  std::chrono::steady_clock::time_point reported_;
};

// Takes one task after the other over one connection.
class TaskTransfer final : public Transfer {
 public:
  TaskTransfer(Work& work, int64_t stall_timeout_s)
      : work_(work), task_(work.take()), stall_timeout_s_(stall_timeout_s) {}

  Request request() override {
    const auto& sending = *task_->sending;
    work_.moved(sending, -sent_);  // what a broken attempt had sent
    sent_ = 0;
    Request request{.on_own_connection = true};
    if (task_->kind == Task::Kind::Send) {
      const auto range = sending.range(task_->part);
      request.method = "PUT";
      request.url = sending.is_in_parts() ? sending.action.part_urls[task_->part] : sending.action.url;
      request.sent_bytes = range.end - range.begin;
      if (!sending.is_in_parts()) request.headers = sending.action.headers;
      request.stall_timeout_s = stall_timeout_s_;
      return request;
    }
    const bool is_assembly = task_->kind == Task::Kind::Assemble;
    request.method = "POST";
    request.url = is_assembly ? sending.action.url : sending.action.verify_url;
    request.headers = is_assembly ? sending.action.headers : sending.action.verify_headers;
    request.headers.add("Content-Type", "application/vnd.git-lfs+json");
    request.headers.add("Accept", "application/vnd.git-lfs+json");
    request.body = is_assembly ? assembly(sending) : verification(sending);
    request.stall_timeout_s = kAssemblyTimeout;
    return request;
  }

  void body(int64_t offset, std::span<std::byte> bytes) override {
    const auto& sending = *task_->sending;
    sending.upload->file->read(sending.range(task_->part).begin + offset, bytes);
    const auto sent = offset + static_cast<int64_t>(bytes.size());
    work_.moved(sending, sent - sent_);
    sent_ = sent;
  }

  void begin(const Response&) override { answer_bytes_ = 0; }
  void data(std::span<const std::byte> bytes) override {
    answer_bytes_ += bytes.size();
    if (answer_bytes_ > (1 << 20)) throw HubError(str(task_->sending->upload->name, ": the storage answers at length"));
  }

  Next finish(const Response& response) override {
    const auto& sending = *task_->sending;
    if (is_stale(response.status)) throw Stale{.upload = sending.upload, .status = response.status};
    throw_for_status(response, {.file = sending.upload->name});
    ++progress_;
    sent_ = 0;
    work_.done(*task_, response);
    task_ = work_.take();
    return task_ ? Next::Again : Next::Done;
  }

  int64_t progress() const override { return progress_; }

 private:
  static std::string assembly(const Sending& sending) {
    Json parts = Json::list();
    for (size_t part = 0; part < sending.tags.size(); ++part)
      parts.push_back(Json(Json::Object{{"partNumber", static_cast<int64_t>(part) + 1}, {"etag", sending.tags[part]}}));
    return Json(Json::Object{{"oid", sending.action.oid}, {"parts", std::move(parts)}}).dump();
  }
  static std::string verification(const Sending& sending) {
    return Json(Json::Object{{"oid", sending.action.oid}, {"size", sending.size_bytes()}}).dump();
  }

  Work& work_;
  std::optional<Task> task_;
  int64_t stall_timeout_s_;
  int64_t sent_ = 0, progress_ = 0;
  size_t answer_bytes_ = 0;
};

Sending prepare(const UploadApi& api, const LfsUpload& upload, LfsAction action) {
  Sending sending{.upload = &upload,
                  .action = std::move(action),
                  .state = {api.client().options().endpoint, api.repo(), upload.object.oid}};
  if (sending.action.is_there) {
    logging::info(str(upload.name, ": is at the storage already"));
    sending.state.remove();
    return sending;
  }
  if (sending.is_in_parts() && sending.state.load(sending.action, sending.size_bytes(), sending.tags)) {
    logging::info(str(upload.name, ": going on where an earlier upload stopped"));
    return sending;
  }
  sending.tags.assign(std::max<size_t>(sending.action.part_urls.size(), 1), "");
  return sending;
}

// One round over objects that one question covers. What is finished leaves `waiting`.
void send_round(const UploadApi& api, std::vector<const LfsUpload*>& waiting, std::string_view revision,
                const TransferTuning& tuning) {
  std::vector<LfsObject> objects;
  for (const auto* upload : waiting) objects.push_back(upload->object);
  auto actions = api.lfs_batch(objects, revision);
  std::deque<Sending> sendings;
  Work work;
  for (size_t i = 0; i < waiting.size(); ++i) {
    auto sending = prepare(api, *waiting[i], std::move(actions[i]));
    if (!sending.action.is_there) work.add(sendings.emplace_back(std::move(sending)));
  }
  std::deque<TaskTransfer> transfers;
  std::vector<Transfer*> pointers;
  for (auto count = std::min(work.size(), static_cast<size_t>(std::max(tuning.connections, 1))); count > 0; --count)
    pointers.push_back(&transfers.emplace_back(work, tuning.upload_stall_timeout_s));
  try {
    api.client().run(pointers);
  } catch (...) {
    for (auto& sending : sendings) sending.note(true);
    std::erase_if(waiting, [&](const auto* upload) { return work.finished().contains(upload); });
    throw;
  }
  waiting.clear();
}

}  // namespace

void send_objects(const UploadApi& api, std::span<const LfsUpload> uploads, std::string_view revision,
                  const TransferTuning& tuning) {
  for (; !uploads.empty(); uploads = uploads.subspan(std::min(kMostObjects, uploads.size()))) {
    std::vector<const LfsUpload*> waiting;
    std::set<std::string> known;  // two files of one content are one object
    for (const auto& upload : uploads.first(std::min(kMostObjects, uploads.size())))
      if (known.insert(upload.object.oid).second) waiting.push_back(&upload);
    for (int round = 1; !waiting.empty(); ++round) {
      const auto before = waiting.size();
      try {
        send_round(api, waiting, revision, tuning);
      } catch (const Stale& stale) {
        UploadState(api.client().options().endpoint, api.repo(), stale.upload->object.oid).remove();
        if (waiting.size() < before) round = 0;
        if (round == kMostRounds)
          throw HubError(str(stale.upload->name, ": the storage refuses the upload with the status ", stale.status),
                         stale.status);
        logging::info(
            str(stale.upload->name, ": the storage answered ", stale.status, "; new addresses are asked for"));
      }
    }
  }
}

}  // namespace transformers::hub::detail
