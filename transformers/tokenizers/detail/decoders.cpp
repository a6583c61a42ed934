#include "transformers/tokenizers/detail/decoders.h"

#include <algorithm>

#include "transformers/base/error.h"
#include "transformers/base/strings.h"
#include "transformers/tokenizers/detail/metaspace.h"
#include "transformers/tokenizers/detail/pattern.h"
#include "transformers/tokenizers/detail/registry.h"
#include "transformers/tokenizers/detail/unicode.h"

namespace transformers::detail {
namespace {

class BpeDecoder final : public Decoder {
 public:
  explicit BpeDecoder(const Fields& fields) : suffix_(fields.text("suffix", "</w>")) {}
  void decode(std::vector<std::string>& tokens, size_t) const override {
    if (suffix_.empty()) return;
    for (size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replace_all(tokens[i], suffix_, i + 1 == tokens.size() ? "" : " ");
  }

 private:
  std::string suffix_;
};

class ByteLevel final : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens, size_t) const override {
    std::string all, bytes;
    for (const auto& token : tokens) all += byte_alphabet_to_bytes(token, bytes) ? bytes : token;
    tokens = {utf8_lossy(all)};
  }
};

// Rejoins what a tokenizer for English took apart; the order of the replacements matters.
std::string clean_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [from, to] : kReplacements)
    if (text.find(from) != std::string::npos) text = replace_all(text, from, to);
  return text;
}

class WordPiece final : public Decoder {
 public:
  explicit WordPiece(const Fields& fields) : prefix_(fields.text("prefix")), cleans_(fields.flag("cleanup")) {}
  void decode(std::vector<std::string>& tokens, size_t) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      auto& token = tokens[i];
      if (i > 0) {
        if (token.starts_with(prefix_))
          token.erase(0, prefix_.size());
        else
          token.insert(0, 1, ' ');
      }
      if (cleans_) token = clean_up(std::move(token));
    }
  }

 private:
  std::string prefix_;
  bool cleans_;
};

class Metaspace final : public Decoder {
 public:
  explicit Metaspace(const Fields& fields) : options_(parse_metaspace(fields)) {
    append_utf8(mark_, options_.replacement);
  }
  void decode(std::vector<std::string>& tokens, size_t) const override {
    for (size_t i = 0; i < tokens.size(); ++i)
      tokens[i] = replace_all(tokens[i], mark_, i == 0 && options_.prepend != PrependScheme::Never ? "" : " ");
  }

 private:
  MetaspaceOptions options_;
  std::string mark_;
};

class Ctc final : public Decoder {
 public:
  explicit Ctc(const Fields& fields)
      : pad_(fields.text("pad_token")),
        delimiter_(fields.text("word_delimiter_token")),
        cleans_(fields.flag("cleanup")) {}
  void decode(std::vector<std::string>& tokens, size_t) const override {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    for (auto& token : tokens) {
      if (!pad_.empty()) token = replace_all(token, pad_, "");
      if (!cleans_) continue;
      token = clean_up(std::move(token));
      if (!delimiter_.empty()) token = replace_all(token, delimiter_, " ");
    }
    std::erase_if(tokens, [](const std::string& token) { return token.empty(); });
  }

 private:
  std::string pad_, delimiter_;
  bool cleans_;
};

class Fuse final : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens, size_t) const override { tokens = {join(tokens, "")}; }
};

class Strip final : public Decoder {
 public:
  explicit Strip(const Fields& fields) : start_(fields.number("start")), stop_(fields.number("stop")) {
    append_utf8(content_, fields.character("content"));
  }
  void decode(std::vector<std::string>& tokens, size_t) const override {
    for (auto& token : tokens) {
      std::string_view rest = token;
      for (int64_t i = 0; i < start_ && rest.starts_with(content_); ++i) rest.remove_prefix(content_.size());
      for (int64_t i = 0; i < stop_ && rest.ends_with(content_); ++i) rest.remove_suffix(content_.size());
      token = std::string(rest);
    }
  }

 private:
  std::string content_;
  int64_t start_, stop_;
};

class Replace final : public Decoder {
 public:
  explicit Replace(const Fields& fields)
      : pattern_(Pattern::from_json(fields, "pattern")), content_(fields.text("content")), where_(fields.where()) {}
  void decode(std::vector<std::string>& tokens, size_t most_bytes) const override {
    std::vector<Match> matches;
    size_t taken = 0;
    for (auto& token : tokens) {
      matches.clear();
      pattern_.find(token, matches);
      std::string out;
      for (const auto& [begin, end, is_match] : matches) {
        out += is_match ? std::string_view(content_) : std::string_view(token).substr(begin, end - begin);
        check_decoded(taken + out.size(), most_bytes, where_);
      }
      taken += out.size();
      token = std::move(out);
    }
  }

 private:
  Pattern pattern_;
  std::string content_, where_;
};

// Runs of <0x41> tokens become the text of their bytes, or one U+FFFD each when they are no UTF-8.
class ByteFallback final : public Decoder {
 public:
  void decode(std::vector<std::string>& tokens, size_t) const override {
    std::vector<std::string> out;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (is_utf8(bytes))
        out.push_back(bytes);
      else
        out.insert(out.end(), bytes.size(), "\xEF\xBF\xBD");
      bytes.clear();
    };
    for (auto& token : tokens) {
      if (const int byte = byte_of(token); byte >= 0) {
        bytes += static_cast<char>(byte);
        continue;
      }
      flush();
      out.push_back(std::move(token));
    }
    flush();
    tokens = std::move(out);
  }

 private:
  static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  }
  static int byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
    if (token[3] == '+') return digit(token[4]);  // the reference's number parser allows a sign
    const int high = digit(token[3]), low = digit(token[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }
};

class Sequence final : public Decoder {
 public:
  explicit Sequence(const Fields& fields) {
    for (const auto& child : fields.children("decoders")) steps_.push_back(make_decoder(child));
  }
  void decode(std::vector<std::string>& tokens, size_t most_bytes) const override {
    for (const auto& step : steps_) step->decode(tokens, most_bytes);
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

using Made = std::unique_ptr<Decoder>;
template <class T>
constexpr auto make = make_from_fields<Made, T>;

constexpr Component<Made> kDecoders[] = {
    {"BPEDecoder", make<BpeDecoder>},
    {"ByteFallback", make<ByteFallback>},
    {"ByteLevel", make<ByteLevel>},
    {"CTC", make<Ctc>},
    {"Fuse", make<Fuse>},
    {"Metaspace", make<Metaspace>},
    {"Replace", make<Replace>},
    {"Sequence", make<Sequence>},
    {"Strip", make<Strip>},
    {"WordPiece", make<WordPiece>},
};

}  // namespace

size_t most_decoded_bytes(size_t tokens) { return std::max(size_t{1} << 26, 256 * tokens); }

void check_decoded(size_t size_bytes, size_t most_bytes, std::string_view where) {
  if (size_bytes > most_bytes)
    throw ValueError(str(where, ": decoding gives more than ", most_bytes,
                         " bytes of text; the limit is 64 MiB, or 256 bytes for each token"));
}

std::unique_ptr<Decoder> make_decoder(const Fields& fields) { return make_component(kDecoders, fields); }

}  // namespace transformers::detail
