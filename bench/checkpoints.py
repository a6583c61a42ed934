#!/usr/bin/env python3
"""Measures loading, offloading and saving of a Llama of one billion parameters against the libraries people use.

  load     from_pretrained and the time to the first token, files cached: one file and eight shards against transformers,
           GGUF against llama.cpp; peak anonymous memory of a load
  cold     start of the process to the first token, file cache dropped, against `cat file > /dev/null`
  offload  tokens per second with the layers on disk and less memory than half the model (a cgroup, where one can be
           made), against accelerate
  save     save_pretrained against cp and fsync of the same bytes

Both sides run alternately, in processes of their own; every figure is the median. Run it through script/bench checkpoints.
"""
import argparse
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from compare import CACHE, big_folder, made_apart, run, warm_file_cache

PROMPT = "1,520,9531,198"
CGROUPS = pathlib.Path("/sys/fs/cgroup/memory")


# --- one measurement of the Python side, each in a process of its own


def part_transformers_load(options):
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    start = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.bfloat16)
    load_s = time.perf_counter() - start
    with torch.inference_mode():
        model(torch.tensor([[int(word) for word in PROMPT.split(",")]]), logits_to_keep=1)
    return {"load_s": load_s, "first_token_s": process_age()}


def part_llama_load(options):
    from llama_cpp import Llama

    start = time.perf_counter()
    model = Llama(options.model, n_ctx=512, n_threads=options.threads, verbose=False)
    load_s = time.perf_counter() - start
    model.eval([int(word) for word in PROMPT.split(",")])
    return {"load_s": load_s, "first_token_s": process_age()}


def part_accelerate_offload(options):
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    model = AutoModelForCausalLM.from_pretrained(
        options.model, dtype=torch.bfloat16, device_map=json.loads(options.device_map), offload_folder=options.target)
    ids = torch.tensor([[int(word) for word in PROMPT.split(",")]])
    with torch.inference_mode():
        output = model(ids, use_cache=True, logits_to_keep=1)
        start = time.perf_counter()
        for _ in range(options.decode_tokens):
            output = model(output.logits[:, -1:].argmax(-1), past_key_values=output.past_key_values, use_cache=True)
        seconds = time.perf_counter() - start
    return {"tok_s": options.decode_tokens / seconds}


def process_age():
    fields = pathlib.Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def run_part(python, part, model, options, *extra):
    command = [python, __file__, "--part", part, "--model", model, "--threads", options.threads]
    return json.loads(run(command + ["--decode-tokens", options.decode_tokens, *extra]).splitlines()[-1])


# --- this program


def program(*words):
    return [os.environ["TRANSFORMERS_CPP"], *words]


def first_token(model, options, *extra):
    command = program("generate", model, "--dtype", "bfloat16", "--threads", options.threads, "--json", "--quiet",
                      "--input-ids", PROMPT, "--max-new-tokens", 1, "--do-sample", "false", *extra)
    start = time.perf_counter()
    run(command)
    return time.perf_counter() - start


def bench_figures(model, options, *extra):
    return json.loads(run(program("bench", model, "--dtype", "bfloat16", "--threads", options.threads, "--json", "--quiet",
                                  "--prompt-tokens", 4, "--decode-tokens", options.decode_tokens, "--repeat", 1, *extra)))


def load_figures(model, options):
    return {"load_s": bench_figures(model, options)["load_s"], "first_token_s": first_token(model, options)}


# --- files


def sharded(folder):
    target = folder.with_name(folder.name + "-8-shards")
    if not target.exists():
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        run(program("convert", folder, target, "--to", "safetensors", "--max-shard-size", f"{size // 8000 + (64 << 10)}KB", "--quiet"))
    return target


def gguf_file(folder):
    """llama.cpp wants a vocabulary: SmolLM2's, which every token id of the prompt is in."""
    target = folder.with_name(folder.name + "-gguf")
    if not target.exists():
        run(program("convert", folder, target, "--to", "gguf", "--quiet"))
    return next(target.glob("*.gguf"))


def files_of(model):
    return sorted(model.glob("*.safetensors")) if model.is_dir() else [model]


def drop_from_cache(files):
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


@contextlib.contextmanager
def memory_limit(size_bytes):
    """A prefix for commands that may use no more than this, and whether there is one: it needs root and cgroups of version 1."""
    group = CGROUPS / "transformers-bench"
    try:
        group.mkdir(exist_ok=True)
        (group / "memory.limit_in_bytes").write_text(str(size_bytes))
    except OSError:
        yield [], False
        return
    try:
        yield ["sh", "-c", f"echo $$ > {group}/tasks && exec \"$@\"", "sh"], True
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()


# --- the comparisons


def table(title, rows):
    print(f"\n{title}")
    for label, ours, theirs, unit, ratio in rows:
        print(f"  {label:<44}{ours:>10.4g}{theirs:>12.4g} {unit:<8}{ratio:>8.2f}×", flush=True)


def medians(samples):
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def compare_load(folder, options):
    eight = sharded(folder)
    for name, model in (("one file", folder), ("8 shards", eight)):
        warm_file_cache(model)
        ours, theirs = [], []
        for _ in range(options.repeat):
            ours.append(load_figures(model, options))
            theirs.append(run_part(sys.executable, "transformers_load", model, options))
        a, b = medians(ours), medians(theirs)
        table(f"load, {name}, against transformers (files cached)",
              [(key, a[key], b[key], "s", b[key] / a[key]) for key in a])
    if not options.peers:
        return
    gguf = gguf_file(folder)
    ours, theirs = [], []
    for _ in range(options.repeat):
        ours.append(load_figures(folder, options))
        theirs.append(run_part(options.peers, "llama_load", gguf, options))
    a, b = medians(ours), medians(theirs)
    table("load, safetensors here, GGUF of the same weights in llama.cpp (files cached)",
          [(key, a[key], b[key], "s", b[key] / a[key]) for key in a])


def compare_cold(folder, options):
    for name, model in (("one file", folder), ("8 shards", sharded(folder))):
        ours, theirs = [], []
        for _ in range(options.repeat):
            drop_from_cache(files_of(model))
            start = time.perf_counter()
            subprocess.run(["sh", "-c", 'cat "$@" > /dev/null', "sh", *files_of(model)], check=True)
            theirs.append(time.perf_counter() - start)
            drop_from_cache(files_of(model))
            ours.append(first_token(model, options))
        a, b = statistics.median(ours), statistics.median(theirs)
        table(f"cold, {name}: start to first token, against cat (cache dropped)", [("seconds; ratio is ours/cat", a, b, "s", a / b)])


def compare_offload(folder, options):
    config = json.loads((folder / "config.json").read_text())
    layers = config["num_hidden_layers"]
    size = sum(file.stat().st_size for file in files_of(folder))
    map_ = {"model.embed_tokens": "cpu", "model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "cpu"}
    map_ |= {f"model.layers.{i}": "disk" for i in range(layers)}
    target = CACHE / "offload"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    map_file = target / "map.json"
    map_file.write_text(json.dumps(map_))
    limit = size // 2
    with memory_limit(limit) as (prefix, is_limited):
        ours, theirs = [], []
        for _ in range(options.repeat):
            command = program("bench", folder, "--dtype", "bfloat16", "--threads", options.threads, "--json", "--quiet", "--device-map",
                              map_file, "--prompt-tokens", 4, "--decode-tokens", options.decode_tokens, "--repeat", 1)
            drop_from_cache(files_of(folder))  # pages that others brought in would not count against the limit
            ours.append(json.loads(run(prefix + command))["decode_tok_s"])
            command = [sys.executable, __file__, "--part", "accelerate_offload", "--model", folder, "--threads", options.threads,
                       "--decode-tokens", options.decode_tokens, "--device-map", json.dumps(map_), "--target", target]
            drop_from_cache(files_of(folder))
            theirs.append(json.loads(run(prefix + command).splitlines()[-1])["tok_s"])
    a, b = statistics.median(ours), statistics.median(theirs)
    where = f"limited to {limit >> 20} MiB" if is_limited else "not limited: no cgroup could be made"
    table(f"layers on disk, model of {size >> 20} MiB, process {where}, against accelerate", [("decode", a, b, "tokens/s", a / b)])


def settle(options):
    """Rented disks take some GB quickly and then make the writer wait: each write finds the disk rested."""
    os.sync()
    time.sleep(options.rest)


def compare_save(folder, options):
    saver = pathlib.Path(os.environ["TRANSFORMERS_CPP"]).with_name("save_model")
    if not saver.exists():
        print("save: skipped, script/build -DTRANSFORMERS_BUILD_BENCH=ON builds save_model")
        return
    target, copy = CACHE / "saved", CACHE / "copied"
    for name, limit, source in (("one file", "50GB", folder), ("8 shards", "350MB", sharded(folder))):
        ours, theirs = [], []
        warm_file_cache(source)

        def save():
            shutil.rmtree(target, ignore_errors=True)
            settle(options)
            ours.append(json.loads(run([saver, source, target, limit]))["save_s"])

        def plain_copy():
            shutil.rmtree(copy, ignore_errors=True)
            copy.mkdir()
            settle(options)
            start = time.perf_counter()
            for file in files_of(source):
                run(["dd", f"if={file}", f"of={copy / file.name}", "bs=4M", "conv=fsync", "status=none"])
            theirs.append(time.perf_counter() - start)

        for i in range(options.repeat):
            for step in (save, plain_copy)[:: 1 if i % 2 else -1]:
                step()
        a, b = statistics.median(ours), statistics.median(theirs)
        table(f"save, {name}, against a copy of the same bytes with fsync", [("seconds; ratio is ours/copy", a, b, "s", a / b)])
    shutil.rmtree(target, ignore_errors=True)
    shutil.rmtree(copy, ignore_errors=True)


COMPARISONS = {"load": compare_load, "cold": compare_cold, "offload": compare_offload, "save": compare_save}
PARTS = {"transformers_load": part_transformers_load, "llama_load": part_llama_load, "accelerate_offload": part_accelerate_offload,
         "big": lambda options: str(big_folder(options.dtype))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="|".join(COMPARISONS), help="default: all")
    parser.add_argument("--peers", type=pathlib.Path, help="a Python that has llama_cpp")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rest", type=float, default=30, help="seconds before each write that is measured (default: 30)")
    parser.add_argument("--decode-tokens", type=int, default=4)
    for hidden in ("--part", "--model", "--dtype", "--device-map", "--target"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps(PARTS[options.part](options)))
        return
    if unknown := set(options.what) - set(COMPARISONS):
        parser.error(f"there is no comparison {', '.join(sorted(unknown))}; choose from {', '.join(COMPARISONS)}")
    folder = made_apart("big", "-", "bfloat16")
    for name in options.what or COMPARISONS:
        COMPARISONS[name](folder, options)


if __name__ == "__main__":
    main()
