"""Opens GGUF files that we wrote in the reference programs: gguf's reader, and llama.cpp with greedy search.

    check_gguf.py [--prompt TEXT] [--expect IDS] FILE…

Prints for each file the types of its tensors and the 16 tokens that llama.cpp goes on with; exits with 1 when a file
does not open, or when the tokens are not IDS (separated by commas). Needs gguf 0.19.0 and llama-cpp-python 0.3.36.
"""

import argparse
import collections
import sys

import gguf
import llama_cpp


def read(path):
    """Every value and every tensor, so that a wrong length or offset shows."""
    reader = gguf.GGUFReader(path)
    for field in reader.fields.values():
        field.contents()
    kinds = collections.Counter()
    for tensor in reader.tensors:
        if tensor.data.nbytes != tensor.n_bytes or tensor.data_offset % reader.alignment:
            raise ValueError(f"{path}: {tensor.name} has {tensor.data.nbytes} bytes at {tensor.data_offset}")
        gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        kinds[tensor.tensor_type.name] += 1
    return dict(kinds)


def go_on(path, prompt, count=16):
    """The tokens that follow the prompt by greedy search."""
    model = llama_cpp.Llama(path, n_ctx=256, verbose=False)
    tokens = model.tokenize(prompt.encode(), add_bos=True, special=True)
    out = []
    for token in model.generate(tokens, temp=0.0, repeat_penalty=1.0):
        out.append(int(token))
        if len(out) == count:
            return out, model.detokenize(out).decode(errors="replace")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompt", default="The capital of France is")
    parser.add_argument("--expect")
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    expected = [int(t) for t in arguments.expect.split(",")] if arguments.expect else None
    failed = False
    for path in arguments.files:
        kinds = read(path)
        tokens, text = go_on(path, arguments.prompt)
        print(path, kinds, tokens, repr(text), flush=True)
        if expected and tokens != expected:
            print(f"{path}: expected {expected}", file=sys.stderr)
            failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
