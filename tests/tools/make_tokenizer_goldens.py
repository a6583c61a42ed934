"""Writes tests/data/tokenizers: tiny tokenizers of many kinds, what the reference makes of the nasty corpus with each of
them as one hash a line, and some encodings in full.

Run with the pinned reference (tokenizers 0.23.3, transformers 5.23.0): python tests/tools/make_tokenizer_goldens.py
"""

import json
import pathlib

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokenizer_corpus import SAMPLES, WORDS, corpus

ROOT = pathlib.Path(__file__).resolve().parents[1] / "data" / "tokenizers"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TRAINING = SAMPLES + [" ".join(WORDS)] * 3


def train(tokenizer, size, specials, alphabet=(), **kwargs):
    kind = trainers.WordPieceTrainer if isinstance(tokenizer.model, models.WordPiece) else trainers.BpeTrainer
    if isinstance(tokenizer.model, models.WordLevel):
        kind = trainers.WordLevelTrainer
    else:
        kwargs.setdefault("initial_alphabet", list(alphabet))
        kwargs.setdefault("limit_alphabet", 150)
    tokenizer.train_from_iterator(TRAINING, kind(vocab_size=size, special_tokens=specials, show_progress=False, **kwargs))
    return tokenizer


def bert(**options):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(**options)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    train(t, 300, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    t.post_processor = processors.TemplateProcessing("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)])
    return t


def byte_level(pre=None, specials=("<|endoftext|>",), prefix=False, partial=False, ignore_merges=False, **byte_options):
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    own = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=pre is None or byte_options.pop("regex_too", False))
    t.pre_tokenizer = own if pre is None else pre_tokenizers.Sequence([*pre, own])
    t.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    train(t, 420, list(specials), alphabet[: 200 if partial else 256], limit_alphabet=256)
    return t


def split(pattern):
    return [pre_tokenizers.Split(Regex(pattern), "isolated")]


def gpt2():
    t = byte_level()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def roberta():
    t = byte_level(specials=["<s>", "<pad>", "</s>", "<unk>"], prefix=True)
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    t.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True)
    return t


def llama3():
    t = byte_level(split(LLAMA3), ["<|begin_of_text|>", "<|eot_id|>"], ignore_merges=True)
    template = processors.TemplateProcessing("<|begin_of_text|> $A", "<|begin_of_text|> $A <|begin_of_text|>:1 $B:1", [("<|begin_of_text|>", 0)])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), template])
    return t


def qwen2():
    t = byte_level(split(QWEN2), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    t.normalizer = normalizers.NFC()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def smollm():
    return byte_level([pre_tokenizers.Digits(individual_digits=True)], ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], regex_too=True, partial=True)


def gpt4o():
    return byte_level(split(GPT4O), ["<|endoftext|>"])


def whisper():
    t = byte_level(specials=["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|notimestamps|>"])
    t.add_tokens([AddedToken("<|0.00|>", normalized=False), AddedToken("<new>", single_word=True, rstrip=True), AddedToken("NEW", lstrip=True, rstrip=True, single_word=True), AddedToken(" the ", normalized=True)])
    t.post_processor = processors.TemplateProcessing("<|startoftranscript|> <|en|> $A <|endoftext|>", "<|startoftranscript|> <|en|> $A $B <|endoftext|>", [("<|startoftranscript|>", 1), ("<|en|>", 2), ("<|endoftext|>", 0)])
    return t


def metaspace():
    t = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    bytes_ = [f"<0x{b:02X}>" for b in range(240)]
    return train(t, 500, ["<unk>", "<s>", "</s>", *bytes_])


def metaspace_legacy():
    t = Tokenizer(models.BPE(byte_fallback=False, fuse_unk=True, unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Metaspace()
    train(t, 300, ["<unk>", "<s>", "</s>"])
    t.add_tokens([AddedToken("the", normalized=True), AddedToken("[MASK]", normalized=True, lstrip=True)])
    return t


def clip():
    t = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    t.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pattern = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.BPEDecoder("</w>")
    train(t, 420, ["<|startoftext|>", "<|endoftext|>"], sorted(pre_tokenizers.ByteLevel.alphabet()), end_of_word_suffix="</w>", limit_alphabet=256)
    t.post_processor = processors.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0), trim_offsets=False, add_prefix_space=False)
    return t


def prefixed():
    t = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"))
    t.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.Digits(False)])
    t.decoder = decoders.WordPiece(cleanup=False)
    train(t, 300, ["[UNK]", "[CLS]", "[SEP]"], continuing_subword_prefix="##")
    t.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    return t


def words(pre, normalizer=None):
    t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    t.pre_tokenizer = pre
    t.normalizer = normalizer
    return train(t, 120, ["[UNK]", "[SEP]"])


def byte_normalized():
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.ByteLevel()])
    t.pre_tokenizer = pre_tokenizers.Split(Regex("[a-zA-ZĠ]+|[^a-zA-ZĠ]"), "merged_with_next")
    t.decoder = decoders.ByteLevel()
    return train(t, 420, ["<s>"], sorted(pre_tokenizers.ByteLevel.alphabet()), limit_alphabet=256)


P = pre_tokenizers
VARIANTS = {
    "bert-uncased": bert,
    "bert-cased": lambda: bert(lowercase=False),
    "bert-multilingual": lambda: bert(lowercase=False, handle_chinese_chars=True, strip_accents=True),
    "bert-plain": lambda: bert(clean_text=False, handle_chinese_chars=False, strip_accents=False),
    "gpt2": gpt2,
    "roberta": roberta,
    "llama3": llama3,
    "qwen2": qwen2,
    "smollm": smollm,
    "gpt4o": gpt4o,
    "whisper": whisper,
    "metaspace": metaspace,
    "metaspace-legacy": metaspace_legacy,
    "clip": clip,
    "prefixed": prefixed,
    "byte-normalized": byte_normalized,
    "words-whitespace": lambda: words(P.WhitespaceSplit()),
    "words-next": lambda: words(P.Split("e", "merged_with_next"), normalizers.Strip(True, False)),
    "words-previous": lambda: words(P.Split(Regex(r"\p{L}"), "merged_with_previous")),
    "words-removed": lambda: words(P.Sequence([P.CharDelimiterSplit("a"), P.Split(" ", "removed"), P.Punctuation("removed")])),
    "words-contiguous": lambda: words(P.Split(Regex(r"[aeiou]"), "contiguous"), normalizers.NFKC()),
    "words-inverted": lambda: words(P.Split(Regex(r"\w+"), "isolated", invert=True)),
    "words-fixed": lambda: words(P.FixedLength(3), normalizers.Sequence([normalizers.Replace("e", ""), normalizers.Lowercase()])),
}


def text_hash(text):
    """FNV-1a with 64 bits."""
    value = 0xCBF29CE484222325
    for byte in text.encode("utf-8", "surrogatepass"):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def describe(tokenizer, encoding):
    """One line that the C++ test writes in the same way."""
    def numbers(values):
        return ",".join("-" if v is None else str(v) for v in values)

    offsets = ",".join(f"{a}:{b}" for a, b in encoding.offsets)
    return "|".join([
        numbers(encoding.ids), "\x1f".join(encoding.tokens), offsets, numbers(encoding.type_ids), numbers(encoding.word_ids),
        numbers(encoding.sequence_ids), numbers(encoding.special_tokens_mask), numbers(encoding.attention_mask),
        tokenizer.decode(encoding.ids, skip_special_tokens=False), tokenizer.decode(encoding.ids, skip_special_tokens=True),
        *(describe(tokenizer, part) for part in encoding.overflowing),
    ])  # fmt: skip


def safe(make):
    """The reference panics on a few lines of odd pipelines; those are left out, as "----"."""
    try:
        return make()
    except BaseException as error:  # noqa: B902 - panics are no Exceptions
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return None


TRUNCATIONS = [
    dict(max_length=8, stride=0, strategy="longest_first", direction="right"),
    dict(max_length=9, stride=2, strategy="longest_first", direction="left"),
    dict(max_length=12, stride=3, strategy="only_first", direction="right"),
    dict(max_length=11, stride=1, strategy="only_second", direction="right"),
    dict(max_length=7, stride=1, strategy="only_first", direction="left"),
]
PADDINGS = [None, dict(length=24, direction="right"), dict(length=None, pad_to_multiple_of=8, direction="left", pad_id=1, pad_type_id=1, pad_token="[P]")]


def pair_cases(lines):
    picked = [line for line in lines if 0 < len(line) < 60][::23][:60]
    return list(zip(picked, picked[1:] + picked[:1]))


def main():
    ROOT.mkdir(parents=True, exist_ok=True)
    lines = corpus()
    (ROOT / "corpus.json").write_text(json.dumps(lines, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    summary = {"tokenizers": tokenizers.__version__, "variants": {}}
    for name, make in VARIANTS.items():
        t = make()
        content = json.loads(t.to_str())
        content["added_tokens"] = [t for t in content["added_tokens"] if not t["content"].startswith("<0x")]
        if name in ("gpt2", "llama3"):  # both spellings of merges are in use
            content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        (ROOT / f"{name}.json").write_text(text, encoding="utf-8")
        t = Tokenizer.from_str(text)
        hashes = []
        step = 4 if name.startswith("words") else 1 if name in ("bert-uncased", "gpt2", "llama3", "smollm") else 2
        for line in lines[::step]:
            described = safe(lambda: describe(t, t.encode(line)))
            hashes.append("----" if described is None else f"{text_hash(described) & 0xFFFF:04x}")
        pairs, truncated = [], []
        for a, b in pair_cases(lines):
            for special in (True, False):
                described = safe(lambda: describe(t, t.encode(a, b, add_special_tokens=special)))
                pairs.append("----" if described is None else f"{text_hash(described) & 0xFFFF:04x}")
        for i, options in enumerate(TRUNCATIONS):
            t.enable_truncation(**options)
            padding = PADDINGS[i % len(PADDINGS)]
            t.no_padding() if padding is None else t.enable_padding(**padding)
            for a, b in pair_cases(lines)[:20]:
                described = safe(lambda: describe(t, t.encode(a, b)))
                truncated.append("----" if described is None else f"{text_hash(described) & 0xFFFF:04x}")
                described = safe(lambda: describe(t, t.encode(a)))
                truncated.append("----" if described is None else f"{text_hash(described) & 0xFFFF:04x}")
        t.no_truncation()
        t.no_padding()
        full = [[line, describe(t, t.encode(line))] for line in lines[11:20]]
        summary["variants"][name] = {"step": step, "lines": "".join(hashes), "pairs": "".join(pairs), "truncated": "".join(truncated), "full": full if name in ("bert-uncased", "smollm") else []}
        print(name, hashes.count("----"), pairs.count("----"), truncated.count("----"))
    (ROOT / "golden.json").write_text(json.dumps(summary, ensure_ascii=True, indent=0), encoding="utf-8")


if __name__ == "__main__":
    main()
