#include "transformers/hub/url.h"

#include <gtest/gtest.h>

#include "transformers/base/error.h"

namespace transformers::hub {
namespace {

TEST(Url, IsTakenApart) {
  const auto url = parse_url("HTTPS://Hub.Example:8443/a/b?c=d#e");
  EXPECT_EQ(url.scheme, "https");
  EXPECT_EQ(url.host, "hub.example");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a/b?c=d");
  EXPECT_EQ(url.origin(), "https://hub.example:8443");
  EXPECT_EQ(parse_url("http://host").text(), "http://host/");
  EXPECT_EQ(parse_url("http://host:80/x").origin(), "http://host");
  EXPECT_EQ(parse_url("http://[::1]:9/x").origin(), "http://[::1]:9");
  EXPECT_EQ(parse_url("http://host?x=1").target, "/?x=1");
}

TEST(Url, RefusesWhatIsNoWebAddress) {
  for (const char* text : {"", "host", "ftp://host/", "file:///etc/passwd", "http://", "http://user:word@host/",
                           "http://host:0/", "http://host:99999/", "http://host:x/", "http://ho st/", "http:///path",
                           "http://host\\@evil/", "javascript:alert(1)", "http://host/\r\nX: y"})
    EXPECT_THROW(static_cast<void>(parse_url(text)), ValueError) << text;
}

TEST(Url, FollowsReferences) {
  const auto base = parse_url("http://a/b/c/d?q");
  EXPECT_EQ(follow(base, "g").text(), "http://a/b/c/g");
  EXPECT_EQ(follow(base, "/g?x").text(), "http://a/g?x");
  EXPECT_EQ(follow(base, "../g").text(), "http://a/b/g");
  EXPECT_EQ(follow(base, "../../../../g").text(), "http://a/g");
  EXPECT_EQ(follow(base, "//other/x").text(), "http://other/x");
  EXPECT_EQ(follow(base, "https://other:444/x").text(), "https://other:444/x");
  EXPECT_EQ(follow(base, "?y").text(), "http://a/b/c/d?y");
  for (const char* text : {"file:///etc/passwd", "gopher://x/", "g\n"})
    EXPECT_THROW(static_cast<void>(follow(base, text)), ValueError) << text;
}

TEST(Url, IsShownWithoutItsSecrets) {
  EXPECT_EQ(display_url("https://u:p@host/x?Signature=s#f"), "https://host/x");
  EXPECT_EQ(display_url("https://host/a@b"), "https://host/a@b");
}

TEST(Url, EncodesWhatWouldBeMisread) {
  EXPECT_EQ(percent_encode("refs/pr/1"), "refs%2Fpr%2F1");
  EXPECT_EQ(percent_encode("a b/ü?#%", "/"), "a%20b/%C3%BC%3F%23%25");
}

}  // namespace
}  // namespace transformers::hub
