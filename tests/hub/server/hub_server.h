#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// A small Hub on loopback for tests, held in memory. It is right as far as the Python client works against it:
// tests/tools/check_hub_server.py.
namespace transformers::hub_tests {

/// The content of a file and what the Hub says of it.
struct StoredFile {
  std::string_view bytes = {};
  std::shared_ptr<const void> owner = {};
  std::string git_id = {}, sha256 = {};  // of an LFS object git stores the pointer
  bool is_lfs = false;
};

/// One request as it arrived.
struct SeenRequest {
  std::string method = {}, target = {}, authorization = {}, range = {}, user_agent = {};
  bool is_storage = false;  // at the second port, where LFS objects lie
  int64_t body_bytes = 0;   // as announced
};

/// What goes wrong, for how many answers; requests are chosen by method (empty: any) and by a piece of the target.
struct Fault {
  enum class Kind {
    Status,
    Cut,
    Stall,
    WrongByte,
    WrongLength,
    NoRanges,
    RedirectLoop,
    RedirectTo,
    LinkedSize,
    NoSize,
    LostAnswer,  // the work is done, the connection ends before the answer
    WrongHash    // of an upload: as if a byte had been changed on the way
  };
  Kind kind = Kind::Status;
  std::string method = {}, target = {};
  int times = 1;
  int64_t number = 0;     // status; bytes before a cut or stall, of an upload's body; offset of a byte; length; size
  std::string text = {};  // Retry-After; where to redirect to
};

/// A commit that a client made.
struct SeenCommit {
  std::string repo = {}, branch = {}, commit = {}, summary = {}, description = {}, parent = {};
  std::vector<std::string> files = {};  // the names of its operations
};

struct ServerOptions {
  int port = 0;         // 0: any
  bool is_tls = false;  // with a certificate of its own
};

/// What may be asked of a repository without a token.
enum class Access { Public, Private, Gated };

class HubServer {
 public:
  explicit HubServer(const ServerOptions& options = {});
  ~HubServer();
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;

  /// The Hub's address, and that of the storage that LFS objects are redirected to.
  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::string storage_url() const;
  /// The certificate of a TLS server, PEM.
  [[nodiscard]] std::string certificate() const;

  /// Makes a commit on a branch: the branch's files with these added or replaced. Gives its hash. Files of the usual
  /// weight formats and large ones are LFS objects.
  std::string commit(const std::string& repo, const std::map<std::string, std::string>& files,
                     const std::string& branch = "main");
  /// The same with the files of a folder, which are mapped and not read.
  std::string commit_folder(const std::string& repo, const std::filesystem::path& folder,
                            const std::string& branch = "main");
  void set_access(const std::string& repo, Access access);
  /// A token that may see everything, and whose it is.
  void add_token(const std::string& token, const std::string& user, bool can_write = true);
  /// Objects larger than this are uploaded in parts of this size.
  void set_part_size(int64_t bytes);
  /// Forgets the uploads in parts that are not finished, as storages do after some time.
  void expire_uploads();
  void set_page_size(size_t files);
  void add_fault(Fault fault);
  void clear_faults();

  [[nodiscard]] std::vector<SeenCommit> commits() const;
  /// Contents by name; empty for an unknown repository or revision.
  [[nodiscard]] std::map<std::string, std::string> files(const std::string& repo,
                                                         const std::string& revision = "main") const;
  [[nodiscard]] bool is_private(const std::string& repo) const;
  [[nodiscard]] std::vector<SeenRequest> requests() const;
  void forget_requests();
  /// How many connections were opened to either port.
  [[nodiscard]] int connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace transformers::hub_tests
