#include <gtest/gtest.h>

#include <string>

#include "transformers/base/error.h"
#include "transformers/base/json.h"
#include "transformers/tokenizers/auto_tokenizer.h"
#include "transformers/tokenizers/tokenizer.h"

namespace transformers {
namespace {

std::shared_ptr<Tokenizer> load(const std::string& text) { return Tokenizer::from_json(Json::parse(text), "bad.json"); }

// The message of the ValueError that loading throws; empty when it loads.
std::string refusal(const std::string& text) {
  try {
    (void)load(text);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

std::string bpe(const std::string& vocab, const std::string& merges, const std::string& more = "") {
  return R"({"model":{"type":"BPE","vocab":)" + vocab + R"(,"merges":)" + merges + more + "}}";
}

std::string with(const std::string& part) {
  return R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]},)" + part + "}";
}

void expect_names(const std::string& text, const std::string& component, const std::string& field) {
  const std::string message = refusal(text);
  for (const auto& part : {std::string("bad.json"), component, field})
    EXPECT_NE(message.find(part), std::string::npos) << "no " << part << " in '" << message << "' for\n" << text;
}

// Issue 3, "bad input": the error names file, component and field.
TEST(HostileTokenizer, RefusesWrongIds) {
  for (const auto* id : {"-1", "4294967296", "1.5", "\"1\"", "null", "[1]", "true"})
    expect_names(bpe(std::string(R"({"a":)") + id + "}", "[]"), "model", "vocab");
}

TEST(HostileTokenizer, HugeIdsCostNothing) {
  const auto tokenizer = load(bpe(R"({"a":4294967295,"b":4000000000,"ab":7})", R"(["a b"])"));
  EXPECT_EQ(tokenizer->encode("ab").ids, std::vector<int64_t>{7});
  EXPECT_EQ(tokenizer->encode("aab").ids, (std::vector<int64_t>{4294967295, 7}));
  EXPECT_EQ(tokenizer->id_to_token(4294967295), "a");
  EXPECT_EQ(tokenizer->id_to_token(5), std::nullopt);
}

TEST(HostileTokenizer, LaterTokensReplaceEarlierOnes) {
  const auto tokenizer = load(bpe(R"({"a":1,"b":1})", "[]"));
  EXPECT_EQ(tokenizer->encode("a").ids, std::vector<int64_t>{1});
  EXPECT_EQ(tokenizer->id_to_token(1), "b");
}

TEST(HostileTokenizer, RefusesMergesThatNameMissingTokens) {
  expect_names(bpe(R"({"a":0,"b":1})", R"([["a","b"]])"), "model", "merges");
  expect_names(bpe(R"({"a":0,"b":1,"ab":2})", R"([["a","x"]])"), "model", "merges");
  for (const auto* merges : {R"(["a"])", R"(["a b c"])", R"([["a"]])", "[1]", "[null]", "{}", "3", R"([["a",1]])"})
    expect_names(bpe(R"({"a":0,"b":1,"ab":2})", merges), "model", "merges");
  expect_names(bpe(R"({"a":0,"##b":1,"x":2,"a##b":3})", R"([["a","x"]])", R"(,"continuing_subword_prefix":"##")"),
               "model", "merges");
}

TEST(HostileTokenizer, TakesAnEmptyVocabulary) {
  const auto tokenizer = load(bpe("{}", "[]"));
  EXPECT_TRUE(tokenizer->encode("abc").ids.empty());
  EXPECT_EQ(tokenizer->decode(std::vector<int64_t>{0, 1, -1}), "");
  const auto pieces = load(
      R"({"model":{"type":"WordPiece","vocab":{},"unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100}})");
  EXPECT_THROW((void)pieces->encode("abc"), ValueError);
}

TEST(HostileTokenizer, ByteTokensAreOnlyTwoHexDigits) {
  const auto tokenizer = load(
      R"({"model":{"type":"BPE","vocab":{"<0x-1>":0,"<0xGG>":1,"<0x 1>":2,"<0x111>":3,"<0x41>":4,"<0x41":5},"merges":[],"byte_fallback":true},"decoder":{"type":"ByteFallback"}})");
  EXPECT_EQ(tokenizer->decode(std::vector<int64_t>{0, 1, 2, 3, 4, 5}), "<0x-1><0xGG><0x 1><0x111>A<0x41");
  EXPECT_EQ(tokenizer->encode("A").ids, std::vector<int64_t>{4});
}

TEST(HostileTokenizer, NamesUnknownComponents) {
  expect_names(with(R"("normalizer":{"type":"Nope"})"), "normalizer", "Nope");
  expect_names(with(R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Nope"}]})"), "pretokenizers[0]",
               "Nope");
  expect_names(with(R"("post_processor":{"type":"Nope"})"), "post_processor", "Nope");
  expect_names(with(R"("decoder":{"type":"Nope"})"), "decoder", "Nope");
  expect_names(R"({"model":{"type":"Unigram","vocab":[]}})", "model", "Unigram");
  expect_names(bpe("{}", "[]", R"(,"dropout":0.1)"), "model", "dropout");
}

TEST(HostileTokenizer, NamesFieldsOfTheWrongType) {
  expect_names(with(R"("normalizer":[])"), "normalizer", "object");
  expect_names(with(R"("normalizer":{"type":3})"), "normalizer", "type");
  expect_names(with(R"("normalizer":{"type":"Replace","pattern":{"Regex":"("},"content":""})"), "pattern", "(");
  expect_names(with(R"("normalizer":{"type":"Replace","pattern":{},"content":""})"), "normalizer", "pattern");
  expect_names(with(R"("normalizer":{"type":"Sequence","normalizers":{}})"), "normalizer", "normalizers");
  expect_names(with(R"("pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"x","invert":false})"),
               "pre_tokenizer", "behavior");
  expect_names(with(R"("pre_tokenizer":{"type":"FixedLength","length":0})"), "pre_tokenizer", "length");
  expect_names(with(R"("pre_tokenizer":{"type":"Metaspace","replacement":"ab"})"), "pre_tokenizer", "replacement");
  expect_names(with(R"("added_tokens":[{"id":-1,"content":"x"}])"), "added_tokens[0]", "id");
  expect_names(with(R"("added_tokens":[{"id":1,"content":5}])"), "added_tokens[0]", "content");
  expect_names(with(R"("added_tokens":5)"), "bad.json", "added_tokens");
  expect_names(with(R"("truncation":{"max_length":-5})"), "truncation", "max_length");
  expect_names(with(R"("padding":{"strategy":"x","pad_id":0,"pad_type_id":0,"pad_token":"p"})"), "padding", "strategy");
  EXPECT_NE(refusal(with(R"("padding":{"strategy":{"Fixed":4000000000},"pad_id":0,"pad_type_id":0,"pad_token":"p"})")),
            "");
  expect_names(
      with(
          R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x","type_id":0}}],"pair":[],"special_tokens":{}})"),
      "post_processor", "x");
  expect_names(
      with(
          R"("post_processor":{"type":"TemplateProcessing","single":[{"Sequence":{"id":"B","type_id":0}}],"pair":[],"special_tokens":{}})"),
      "post_processor", "single");
  expect_names(with(R"("version":"2.0")"), "bad.json", "version");
  expect_names("{}", "bad.json", "model");
  expect_names("[]", "bad.json", "object");
}

TEST(HostileTokenizer, RefusesDeepNesting) {
  std::string text = R"({"type":"NFC"})";
  for (int i = 0; i < 100; ++i) text = R"({"type":"Sequence","normalizers":[)" + text + "]}";
  expect_names(with(R"("normalizer":)" + text), "normalizer", "nested");
}

TEST(HostileTokenizer, PatternsThatBacktrackWithoutEndAreStopped) {
  const auto tokenizer = load(with(
      R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?:a|aa)+\\p{N}"},"behavior":"Isolated","invert":false})"));
  EXPECT_THROW((void)tokenizer->encode(std::string(200, 'a')), ValueError);
  const auto empties =
      load(with(R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":""},"behavior":"Isolated","invert":false})"));
  EXPECT_EQ(empties->encode("ab").ids, (std::vector<int64_t>{0, 1}));
}

TEST(HostileTokenizer, RefusesTextThatIsNoUtf8) {
  const auto tokenizer = load(with(R"("version":"1.0")"));
  for (const auto* text : {"\xFF", "a\xC3", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC0\x80"})
    EXPECT_THROW((void)tokenizer->encode(text), ValueError);
}

std::string repeated(const std::string& part, size_t times) {
  std::string out = part;
  for (size_t i = 1; i < times; ++i) out += "," + part;
  return out;
}

// The message of the ValueError that `call` throws.
template <class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

void expect_too_large(const std::string& part, const std::string& component) {
  const std::string message = message_of([&] { (void)load(with(part))->encode("a b"); });
  for (const auto& word : {std::string("bad.json"), component, std::string("64 MiB")})
    EXPECT_NE(message.find(word), std::string::npos) << "no " << word << " in '" << message << "'";
}

TEST(HostileTokenizer, NormalizersThatMakeATextHugeAreStopped) {
  const std::string megabyte(1 << 20, 'x');
  const std::string prepend = R"({"type":"Prepend","prepend":")" + megabyte + R"("})";
  expect_too_large(R"("normalizer":{"type":"Sequence","normalizers":[)" + repeated(prepend, 50) + "]}", "normalizers[");
  const std::string doubled = R"({"type":"Replace","pattern":{"String":"a"},"content":"aaaaaaaaaaaaaaaa"})";
  expect_too_large(R"("normalizer":{"type":"Sequence","normalizers":[)" + repeated(doubled, 60) + "]}", "normalizers[");
  const std::string huge = R"({"type":"Replace","pattern":{"Regex":"."},"content":")" + megabyte + R"("})";
  expect_too_large(R"("normalizer":{"type":"Sequence","normalizers":[)" + repeated(huge, 2) + "]}", "normalizers[1]");
  const std::string tokens = R"("added_tokens":[{"id":7,"content":"<t>","normalized":false}])";
  const auto tokenizer = load(with(R"("normalizer":)" + prepend + "," + tokens));
  std::string text;
  for (int i = 0; i < 100; ++i) text += "a<t>";
  EXPECT_NE(message_of([&] { (void)tokenizer->encode(text); }).find("normalizer"), std::string::npos);
  EXPECT_FALSE(tokenizer->encode("a").ids.empty());
}

TEST(HostileTokenizer, AddedTokensThatBeginLikeTheTextAreStopped) {
  const std::string token = std::string(1 << 18, 'a') + "c";
  const auto tokenizer = load(with(R"("added_tokens":[{"id":7,"content":")" + token + R"("}])"));
  EXPECT_NE(message_of([&] { (void)tokenizer->encode(std::string(1 << 19, 'a')); }).find("added_tokens"),
            std::string::npos);
}

TEST(HostileTokenizer, LongChainsOfNormalizersWork) {
  const auto tokenizer = load(
      with(R"("normalizer":{"type":"Sequence","normalizers":[)" + repeated(R"({"type":"Lowercase"})", 200) + "]}"));
  EXPECT_EQ(tokenizer->encode(std::string(1 << 20, 'A')).ids.size(), size_t{1} << 20);
}

TEST(HostileTokenizer, DecodersThatMakeATextHugeAreStopped) {
  const std::string doubled = R"({"type":"Replace","pattern":{"String":"a"},"content":"aaaaaaaaaaaaaaaa"})";
  const auto tokenizer = load(with(R"("decoder":{"type":"Sequence","decoders":[)" + repeated(doubled, 60) + "]}"));
  const std::string message = message_of([&] { (void)tokenizer->decode(std::vector<int64_t>{0, 1}); });
  EXPECT_NE(message.find("bad.json: decoder.decoders["), std::string::npos) << message;
  const auto long_token = load(bpe(R"({")" + std::string(1 << 20, 'x') + R"(":0})", "[]"));
  EXPECT_THROW((void)long_token->decode(std::vector<int64_t>(1000, 0)), ValueError);
}

TEST(HostileTokenizer, TokensThatAreLongerThanTheirTextAreStopped) {
  const auto tokenizer =
      load(R"({"model":{"type":"WordLevel","vocab":{")" + std::string(1 << 20, 'x') + R"(":0},"unk_token":")" +
           std::string(1 << 20, 'x') + R"("},"pre_tokenizer":{"type":"WhitespaceSplit"}})");
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "a ";
  EXPECT_NE(message_of([&] { (void)tokenizer->encode(text); }).find("model"), std::string::npos);
}

TEST(HostileTokenizer, RefusesTemplatesThatAddTooMuch) {
  const auto processor = [](const std::string& single, const std::string& tokens) {
    return with(R"("post_processor":{"type":"TemplateProcessing","single":[)" + single +
                R"(],"pair":[],"special_tokens":{"s":)" + tokens + "}}");
  };
  const std::string sequence = R"({"Sequence":{"id":"A","type_id":0}})",
                    special = R"({"SpecialToken":{"id":"s","type_id":0}})";
  const std::string one = R"({"id":"s","ids":[1],"tokens":["b"]})";
  EXPECT_EQ(refusal(processor(special + "," + sequence, one)), "");
  expect_names(processor(repeated(sequence, 1000), one), "post_processor", "single");
  const std::string many =
      R"({"id":"s","ids":[)" + repeated("1", 2000) + R"(],"tokens":[)" + repeated("\"b\"", 2000) + "]}";
  expect_names(processor(special + "," + sequence, many), "post_processor", "single");
  const std::string large = R"({"id":"s","ids":[1],"tokens":[")" + std::string(5000, 'b') + R"("]})";
  expect_names(processor(special + "," + sequence, large), "post_processor", "tokens");
}

TEST(HostileTokenizer, PartsAndPaddingBeyondMeasureAreRefused) {
  const auto tokenizer = load(with(R"("version":"1.0")"));
  const std::string text(100'000, 'b');
  tokenizer->set_truncation(TruncationOptions{.max_length = 5000, .stride = 4999});
  EXPECT_NE(message_of([&] { (void)tokenizer->encode(text); }).find("stride"), std::string::npos);
  tokenizer->set_truncation(TruncationOptions{.max_length = 20});
  EXPECT_NE(message_of([&] { (void)tokenizer->encode_pair(text, text); }).find("truncation"), std::string::npos);
  tokenizer->set_truncation(std::nullopt);
  tokenizer->set_padding(PaddingOptions{.length = 1 << 24, .pad_token = std::string(1000, 'p')});
  EXPECT_NE(message_of([&] { (void)tokenizer->encode("a"); }).find("padding"), std::string::npos);
}

Json gguf(const std::string& more) {
  return Json::parse(
      R"({"tokenizer.ggml.model":"gpt2","tokenizer.ggml.pre":"gpt-2","tokenizer.ggml.tokens":["a","b","ab","<|end|>","<think>"],)"
      R"("tokenizer.ggml.token_type":[1,1,1,3,4],"tokenizer.ggml.merges":["a b"])" +
      more + "}");
}

TEST(GgufVocabulary, MakesATokenizer) {
  const auto tokenizer = AutoTokenizer::from_gguf(
      gguf(R"(,"tokenizer.ggml.bos_token_id":3,"tokenizer.ggml.add_bos_token":true)"), "m.gguf");
  EXPECT_EQ(tokenizer->encode("ab<|end|>b<think>a"), (std::vector<int64_t>{3, 2, 3, 1, 4, 0}));
  EXPECT_EQ(tokenizer->encode("ab", false), (std::vector<int64_t>{2}));
  EXPECT_EQ(tokenizer->special_token_id("bos_token"), 3);
  EXPECT_TRUE(tokenizer->backend()->is_special(3));
  EXPECT_FALSE(tokenizer->backend()->is_special(4));
  EXPECT_EQ(tokenizer->decode(std::vector<int64_t>{3, 2}, true), "ab");
}

TEST(GgufVocabulary, RefusesLies) {
  const auto refused = [](Json json) {
    EXPECT_THROW((void)AutoTokenizer::from_gguf(json, "m.gguf"), ValueError) << json.dump();
  };
  refused(gguf(R"(,"tokenizer.ggml.bos_token_id":99)"));
  refused(gguf(R"(,"tokenizer.ggml.eos_token_id":-1)"));
  refused(gguf(R"(,"tokenizer.ggml.eos_token_id":"3")"));
  refused(gguf(R"(,"tokenizer.chat_template":5)"));
  refused(Json::object());
  for (const auto& [key, value] : {std::pair{"tokenizer.ggml.model", R"("llama")"},
                                   {"tokenizer.ggml.pre", R"("no-such-thing")"},
                                   {"tokenizer.ggml.tokens", "5"},
                                   {"tokenizer.ggml.tokens", R"(["a",3])"},
                                   {"tokenizer.ggml.merges", R"(["a c"])"},
                                   {"tokenizer.ggml.merges", R"(["ab"])"},
                                   {"tokenizer.ggml.token_type", R"(["x"])"}}) {
    Json json = gguf("");
    json[key] = Json::parse(value);
    refused(json);
  }
}

}  // namespace
}  // namespace transformers
