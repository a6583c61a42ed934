#include "transformers/hub/detail/curl.h"

#include <dlfcn.h>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"

namespace transformers::hub::detail {

namespace {

template <class Function>
void load(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (!function) throw ImportError(str("libcurl lacks ", name, "; install libcurl 7.85 or newer"));
}

Curl open_curl() {
  // Any flavour of Debian's libcurl will do; never closed: its threads and hooks outlive every client.
  void* library = nullptr;
  for (const char* name : {"libcurl.so.4", "libcurl-gnutls.so.4"})
    if (!library) library = ::dlopen(name, RTLD_LAZY | RTLD_LOCAL);
  if (!library) throw ImportError("libcurl.so.4 cannot be opened, and the Hub is asked through it; install libcurl4");
  Curl curl;
  decltype(&::curl_global_init) global_init = nullptr;
  load(library, "curl_global_init", global_init);
  load(library, "curl_easy_init", curl.easy_init);
  load(library, "curl_easy_reset", curl.easy_reset);
  load(library, "curl_easy_cleanup", curl.easy_cleanup);
  load(library, "curl_easy_setopt", curl.easy_setopt);
  load(library, "curl_easy_getinfo", curl.easy_getinfo);
  load(library, "curl_easy_strerror", curl.easy_strerror);
  load(library, "curl_slist_append", curl.slist_append);
  load(library, "curl_slist_free_all", curl.slist_free_all);
  load(library, "curl_getdate", curl.getdate);
  load(library, "curl_multi_init", curl.multi_init);
  load(library, "curl_multi_cleanup", curl.multi_cleanup);
  load(library, "curl_multi_setopt", curl.multi_setopt);
  load(library, "curl_multi_add_handle", curl.multi_add_handle);
  load(library, "curl_multi_remove_handle", curl.multi_remove_handle);
  load(library, "curl_multi_perform", curl.multi_perform);
  load(library, "curl_multi_poll", curl.multi_poll);
  load(library, "curl_multi_info_read", curl.multi_info_read);
  if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw RuntimeError("libcurl cannot be initialised");
  return curl;
}

}  // namespace

const Curl& curl() {
  static const Curl instance = open_curl();
  return instance;
}

}  // namespace transformers::hub::detail
