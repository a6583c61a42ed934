#pragma once

#include <httplib.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "tests/hub/server/hub_server.h"
#include "tests/hub/server/store.h"
#include "transformers/base/json.h"

// What the files of the test Hub share.
namespace transformers::hub_tests {

/// Thrown by handlers: an answer that is no success.
struct Refusal {
  int status;
  std::string code, message;
  std::string url = {};  // of what is there already
};

[[nodiscard]] std::string decoded(std::string_view text);
/// The parts of the raw path, each decoded: a revision may hold an encoded slash.
[[nodiscard]] std::vector<std::string> parts_of(const std::string& target);
[[nodiscard]] std::string joined(const std::vector<std::string>& parts, size_t from);

/// An upload in parts that was begun.
struct PartUpload {
  std::string oid = {};
  int64_t size_bytes = 0, part_bytes = 0;
  std::map<int64_t, std::string> parts = {};
};

struct HubServer::Impl {
  explicit Impl(const ServerOptions& options);
  ~Impl();

  void answer(const httplib::Request& request, httplib::Response& response);
  void answer_storage(const httplib::Request& request, httplib::Response& response);
  void answer_api(const std::vector<std::string>& parts, const httplib::Request& request, httplib::Response& response);
  void answer_info(const StoredRepo& repo, const std::string& id, const std::string& commit,
                   const httplib::Request& request, httplib::Response& response) const;
  void answer_tree(const Files& files, const std::string& folder, const httplib::Request& request,
                   httplib::Response& response) const;
  void answer_file(const std::vector<std::string>& parts, const httplib::Request& request, httplib::Response& response);
  // uploads.cpp
  void answer_write(const httplib::Request& request, httplib::Response& response,
                    const httplib::ContentReader& content);
  void answer_stored(const httplib::Request& request, httplib::Response& response,
                     const httplib::ContentReader& content);
  std::string read_body(const httplib::Request& request, const httplib::ContentReader& content,
                        const std::optional<Fault>& fault) const;
  Json write_api(const std::vector<std::string>& parts, const httplib::Request& request, const std::string& body);
  Json create_repo(const std::string& user, const Json& body);
  Json delete_repo(const std::string& user, const Json& body);
  Json change_branch(const std::string& id, const std::string& branch, const httplib::Request& request);
  Json preupload(StoredRepo& repo, const std::string& revision, const Json& body) const;
  Json lfs_batch(const std::string& id, const Json& body);
  Json complete(const httplib::Request& request, const Json& body);
  struct Change {
    Files files = {};
    std::vector<std::string> removed = {};
  };
  void take_operation(const Files& files, const Json& line, Change& change) const;
  Json commit(const std::string& id, const std::string& revision, const httplib::Request& request,
              const std::string& lines);
  void keep_object(const std::string& oid, std::string bytes);
  [[nodiscard]] std::optional<StoredFile> object_of(const std::string& oid) const;
  std::string writer_of(const httplib::Request& request, bool may_propose) const;
  [[nodiscard]] std::string url_of(bool of_storage) const;

  void send(const StoredFile& file, const httplib::Request& request, httplib::Response& response,
            const std::optional<Fault>& fault);

  StoredRepo& repo_of(const std::string& id, const httplib::Request& request, bool wants_files);
  std::string user_of(const httplib::Request& request) const;
  std::optional<Fault> take_fault(const httplib::Request& request);
  bool misbehave(const Fault& fault, const httplib::Request& request, httplib::Response& response) const;
  void note(const httplib::Request& request, bool is_storage);
  void serve(httplib::Server& server, int port, int& bound, std::thread& thread);

  mutable std::mutex mutex;
  std::map<std::string, StoredRepo> repos;
  std::map<std::string, std::string> users, readers;  // by token
  std::map<std::string, StoredFile> objects;          // that were uploaded
  std::map<std::string, PartUpload> uploads;
  std::vector<SeenCommit> commits;
  int64_t part_bytes = 8 << 20;
  std::string certificate;
  std::vector<Fault> faults;
  std::vector<SeenRequest> seen;
  size_t page_size = 1000;
  std::atomic<int> connections = 0;
  std::atomic<bool> is_over = false;
  std::unique_ptr<httplib::Server> hub, storage;
  int hub_port = 0, storage_port = 0;
  std::thread hub_thread, storage_thread;
};

}  // namespace transformers::hub_tests
