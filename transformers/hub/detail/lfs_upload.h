#pragma once

#include <span>
#include <string>

#include "transformers/hub/detail/upload_file.h"
#include "transformers/hub/options.h"
#include "transformers/hub/upload_api.h"

namespace transformers::hub::detail {

/// An object of the LFS storage and where its bytes are.
struct LfsUpload {
  LfsObject object = {};
  const UploadFile* file = nullptr;
  std::string name = {};  // for messages and progress
};

/// Sends what the storage does not have yet: several pieces side by side, each tried again on its own as the client's
/// policy says. An object in parts that an earlier call or process began goes on with the parts that are missing.
/// Throws HubError, ConnectionError, OSError for a file that changed meanwhile.
void send_objects(const UploadApi& api, std::span<const LfsUpload> uploads, std::string_view revision,
                  const TransferTuning& tuning);

}  // namespace transformers::hub::detail
