#include "transformers/base/temporary_folder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers {

TemporaryFolder::TemporaryFolder(std::string_view purpose) {
  auto name = (std::filesystem::temp_directory_path() / str("transformers-", purpose, "-XXXXXX")).native();
  if (!::mkdtemp(name.data()))
    throw OSError(str(name, ": no temporary folder can be made there: ", std::strerror(errno), "; set TMPDIR"));
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace transformers
