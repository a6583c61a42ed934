"""The nasty corpus: 2,000 lines of text that tokenizers get wrong, from a fixed seed."""

import random

SAMPLES = [
    "The quick brown fox jumps over the lazy dog. It's 12:30, isn't it? They've said we'll go; I'm sure you're right.",
    "Быстрая коричневая лиса прыгает через ленивую собаку.", "Η γρήγορη καφέ αλεπού ΠΗΔΆΕΙ ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ",
    "敏捷的棕色狐狸跳过了懒狗。汉字與漢字", "素早い茶色の狐がのろまな犬を飛び越える。ｶﾀｶﾅ カタカナ ひらがな",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다. 한글 각 갂", "الثعلب البني السريع يقفز فوق الكلب الكسول، ١٢٣", "השועל החום המהיר שָׁלוֹם",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है। १२३ क्षि", "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ ๑๒๓", "Hızlı kahverengi tilki İSTANBUL ışık I i ı",
    "Straße STRASSE ẞ ß ﬁ ﬀ ŉ ǰ ΐ Ǆ ǅ ǆ", "Ti\u1ebfng Vi\u1ec7t: Con c\u00e1o n\u00e2u nhanh nh\u1eb9n", "Å Å Å é é ḍ̇ ḍ̇ q̣̇ q̣̇", "ქართული ᲥᲐᲠᲗᲣᲚᲘ հայերեն ՀԱՅԵՐԵՆ",
    "ꮳꮃꭹ ᏣᎳᎩ 𐐀𐐨 𝒜𝓑𝔠 𝟘𝟙 ℌ ℵ ㎒ ㍿ ½ ² ③ Ⅳ ⅳ", "def f(x):\n\treturn x**2  # 3.14e-10", "https://example.com/a?b=c&d=%20#e user@example.org", "{\"a\": [1, 2.5, null], 'b': \"\\u00e9\"}",
    "💩👩‍👩‍👧‍👦👨🏿‍🚀🏳️‍🌈🇫🇷🇩🇪👍🏽☺️☺︎1️⃣", "'s 't 're 've 'm 'll 'd 'S 'T 'RE 'VE 'M 'LL 'D ’s ‘twas don'T ſ 'ſ K",
    "1 12 123 1234 12345 123456 1,234,567.89 ١٢٣٤ 一二三 ¼½¾", "...!!!???---___***((()))[[[]]]{{{}}}<<<>>>///\\\\\\|||~~~```@@@###$$$%%%^^^&&&",
    "a.b,c;d:e!f?g\"h'i(j)k[l]m{n}o<p>q/r\\s|t`u~v@w#x$y%z^&*_+-=", "¿Qué? ¡Sí! «guillemets» „quotes“ ‚single‘ – — … · • § ¶ † ‡ ‰ € £ ¥ ©®™",
    "e\u0301 a\u0300\u0323 a\u0323\u0300 \u0344 \u0f73 \u0958 \u2126 \u212b \ufb1d \u1e9b\u0323", "\u1100\u1161\u11a8 \u1100\u1161 \uac00\u11a8 \u1112\u1161\u11ab\u1100\u1173\u11af",
    "[CLS] [SEP] [MASK] [PAD] [UNK] [cls] [ CLS ] [CLS][SEP]", "<|endoftext|> <|im_start|>user\nhi<|im_end|> <|im_start|> <|im_end|><|endoftext|> <repo_name> <file_sep>",
    "<s> </s> <pad> <unk> <mask>   <mask> a<mask>b <|begin_of_text|><|eot_id|>", "<|im_start| > <|IM_START|> <|endoftext <|endoftext|", "##ing ## #a ##", "Ġ Ċ ĠĠ Ġhello ▁ ▁▁hello <0x41> <0x-1>",
    "do not don't can't I 'm they 've  .  ,  ? ! ' n't", "\u0410\u0411\u0412 \u0430\u0431\u0432 \u0401\u0451 \u0419\u0439 \u0439", "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ",
]
SPACES = [chr(c) for c in [9, 10, 11, 12, 13, 0x1C, 0x1D, 0x1E, 0x1F, 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200E), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF, 0x180E, 0x200F]]
EDGES = [0, 1, 7, 8, 0x7E, 0x7F, 0x80, 0x9F, 0xAD, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xF8FF, 0xFDD0, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFF, 0xE0001, 0xE0041, 0xE0100, 0xF0000, 0x10FFFD, 0x10FFFF, 0x378, 0x0530, 0x2065, 0x1F8FF, 0x32FF, 0xA7F2, 0x11938, 0x1C89, 0xA7CB, 0x10D40, 0x16D40, 0x1E5D0, 0x2EBF0]
BLOCKS = [(0x20, 0x7F), (0xA0, 0x180), (0x180, 0x250), (0x250, 0x370), (0x300, 0x370), (0x370, 0x400), (0x400, 0x530), (0x530, 0x600), (0x600, 0x780), (0x900, 0xA00), (0xE00, 0xE80), (0xF00, 0x1000), (0x1100, 0x1200), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2500), (0x2500, 0x2800), (0x2E80, 0x3100), (0x3100, 0x3400), (0x4E00, 0xA000), (0xA640, 0xA700), (0xA720, 0xAC00), (0xAC00, 0xD7B0), (0xE000, 0xF900), (0xF900, 0xFB00), (0xFB00, 0xFE00), (0xFE00, 0x10000), (0x10000, 0x11000), (0x11000, 0x12000), (0x1D000, 0x1D800), (0x1F000, 0x1FB00), (0x20000, 0x2A6E0), (0xE0000, 0xE01F0), (0x0, 0x110000)]
MARKS = [chr(c) for c in [0x300, 0x301, 0x302, 0x308, 0x316, 0x323, 0x327, 0x338, 0x345, 0x5B0, 0x64B, 0x93C, 0x94D, 0x3099, 0x20D0, 0x1D165]]
WORDS = "the of and to in is that for it as was with be by on not he his but at are this have from or had an they which one you were all her she there would their we him been has when who will no more if out so said what up its about than into them can only other time new some could these two may first then do any like my now over such our man me even most made after also did many before must through back years where much your way well down should because each just those people how too little state good very make world still own see men work long get here between both life being under never day same another know while last might us great old year off come since against go came right used take three".split()


def any_char(r, first, last):
    while True:
        c = r.randrange(first, last)
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def piece(r):
    kind = r.randrange(14)
    if kind < 3:
        sample = r.choice(SAMPLES)
        begin = r.randrange(len(sample))
        return sample[begin : begin + r.randrange(1, 40)]
    if kind == 3:
        return "".join(r.choice(SPACES) for _ in range(r.randrange(1, 6)))
    if kind == 4:
        return chr(r.choice(EDGES))
    if kind == 5:
        first, last = r.choice(BLOCKS)
        return "".join(any_char(r, first, last) for _ in range(r.randrange(1, 12)))
    if kind == 6:
        return r.choice("aeiouAEIOUnNcCyYIΑαοк") + "".join(r.choice(MARKS) for _ in range(r.randrange(1, 5)))
    if kind == 7:
        return str(r.randrange(10 ** r.randrange(1, 15)))
    if kind == 8:
        return r.choice(["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<mask>", "<empty_output>", "<new>", "NEW"])
    if kind == 9:
        return r.choice(WORDS).upper() if r.random() < 0.3 else r.choice(WORDS).title()
    if kind == 10:
        return r.choice([" ", "  ", "   ", "\t", "\n", "\r", "\r\n", " \n", "\n\n", "\n \n", "    "])
    if kind == 11:
        return r.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") * r.randrange(1, 5)
    return " " + " ".join(r.choice(WORDS) for _ in range(r.randrange(1, 6)))


def corpus(seed=20250101, lines=2000):
    r = random.Random(seed)
    out = ["", " ", "  ", "\n", "\0", "a", " a", "a ", " a ", "\r", "\r\n", *SAMPLES]
    out += ["x" * n for n in (99, 100, 101, 102, 257)] + ["é" * 100, "é" * 101, "漢" * 120, "e\u0301" * 60, " " * 150, "a " * 80, "ab" * 200]
    out += [chr(c) for c in EDGES] + ["a" + chr(c) + "b" for c in EDGES] + ["a" + s + "b" for s in SPACES] + SPACES
    while len(out) < lines:
        out.append("".join(piece(r) for _ in range(r.randrange(1, 12))))
    assert all("\ud800" > c or c > "\udfff" for line in out for c in line)
    return out[:lines]


if __name__ == "__main__":
    import json
    import sys

    json.dump(corpus(), sys.stdout)
