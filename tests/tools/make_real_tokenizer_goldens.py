"""Writes `<name>.golden.json` beside real tokenizers, for tests/tokenizers/real_model_test.cpp: what the reference makes
of the nasty corpus.

Usage: python tests/tools/make_real_tokenizer_goldens.py FOLDER, whose entries are model folders and GGUF files.
"""

import json
import pathlib
import sys

from transformers import AutoTokenizer

from tokenizer_corpus import corpus


def main(folder):
    for path in sorted(pathlib.Path(folder).iterdir()):
        if path.suffix == ".gguf":
            tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
        elif path.is_dir():
            tokenizer = AutoTokenizer.from_pretrained(str(path))
        else:
            continue
        lines = []
        for line in corpus():
            encoding = tokenizer(line)
            backend = encoding.encodings[0]
            lines.append({"text": line, "ids": backend.ids, "offsets": backend.offsets, "decoded": tokenizer.decode(backend.ids)})
        target = path.parent / f"{path.name}.golden.json"
        target.write_text(json.dumps(lines, ensure_ascii=False), encoding="utf-8")
        print(target)


if __name__ == "__main__":
    main(sys.argv[1])
