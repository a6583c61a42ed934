#!/usr/bin/env python3
"""Measures this program and the Python reference side by side, in one run.

For each model and dtype, interleaved and repeated: the time of from_pretrained, the time from the start of the process to
the first token, prefill and decode speed, and peak memory. Every figure is the median. Run it through script/bench.
"""
import argparse
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / "build" / "bench-models"
ROWS = (  # key, what it is, digits, whether less is better
    ("load_s", "from_pretrained, s", 3, True),
    ("first_token_s", "start to first token, s", 3, True),
    ("prefill_tok_s", "prefill, tokens/s", 1, False),
    ("decode_tok_s", "decode, tokens/s", 1, False),
    ("peak_rss_bytes", "peak memory, MiB", 0, True),
)


# --- the reference, each measurement in a process of its own (see run_reference)


def load_reference(model, dtype):
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    start = time.perf_counter()
    path = pathlib.Path(model)
    extra = {"gguf_file": path.name} if path.suffix == ".gguf" else {}
    folder = path.parent if extra else path
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), **extra)
    return loaded.eval(), time.perf_counter() - start


def process_age():
    fields = pathlib.Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def reference_first_token(options):
    """Start of Python, imports, loading, and the first of a short prompt's new tokens."""
    model, load_s = load_reference(options.model, options.dtype)
    import torch

    torch.set_num_threads(options.threads)
    with torch.inference_mode():
        model.generate(torch.tensor([options.ids]), max_new_tokens=1, do_sample=False, pad_token_id=0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"load_s": load_s, "first_token_s": process_age(), "peak_rss_bytes": peak}


def reference_speed(options):
    model, _ = load_reference(options.model, options.dtype)
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    ids = torch.randint(0, model.config.vocab_size, (1, options.prompt_tokens))
    with torch.inference_mode():
        for attempt in range(2):  # the first warms up
            start = time.perf_counter()
            output = model(ids, use_cache=True, logits_to_keep=1)
            prefill = time.perf_counter() - start
        start = time.perf_counter()
        for _ in range(options.decode_tokens):
            token = output.logits[:, -1:].argmax(-1)
            output = model(token, past_key_values=output.past_key_values, use_cache=True, logits_to_keep=1)
        decode = time.perf_counter() - start
    return {"prefill_tok_s": options.prompt_tokens / prefill, "decode_tok_s": options.decode_tokens / decode}


# --- both sides, from outside


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"error: {' '.join(map(str, command))}: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def run_reference(part, model, dtype, options):
    command = [sys.executable, __file__, "--part", part, "--model", model, "--dtype", dtype, "--threads", options.threads]
    command += ["--ids", ",".join(map(str, options.ids)), "--prompt-tokens", options.prompt_tokens]
    return json.loads(run(command + ["--decode-tokens", options.decode_tokens]).splitlines()[-1])


def run_program(part, model, dtype, options):
    program = os.environ["TRANSFORMERS_CPP"]
    common = [model, "--dtype", dtype, "--threads", options.threads, "--json", "--quiet"]
    if part == "speed":
        figures = ["--prompt-tokens", options.prompt_tokens, "--decode-tokens", options.decode_tokens, "--repeat", 1]
        report = json.loads(run([program, "bench", *common, *figures]))
        return {key: report[key] for key in ("prefill_tok_s", "decode_tok_s")}
    start = time.perf_counter()
    ids = ",".join(map(str, options.ids))
    words = [program, "generate", *common, "--input-ids", ids, "--max-new-tokens", 1, "--do-sample", "false"]
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    first_token_s = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"error: generate {model} failed")
    one_token = ["--prompt-tokens", 1, "--decode-tokens", 1, "--repeat", 1]
    load_s = json.loads(run([program, "bench", *common, *one_token]))["load_s"]
    return {"load_s": load_s, "first_token_s": first_token_s, "peak_rss_bytes": usage.ru_maxrss * 1024}


def compare(title, model, dtype, options):
    ours, theirs = {}, {}
    for _ in range(options.repeat):
        for part in ("first_token", "speed"):
            for runner, into in ((run_program, ours), (run_reference, theirs)):
                for key, value in runner(part, model, dtype, options).items():
                    into.setdefault(key, []).append(value)
    print(f"\n{title}, {dtype}, {options.threads} threads, prompt {options.prompt_tokens}, median of {options.repeat}")
    print(f"  {'':<26}{'this program':>14}{'reference':>14}{'ratio':>9}")
    report = {"model": title, "dtype": dtype, "threads": options.threads}
    for key, label, digits, less in ROWS:
        a, b = statistics.median(ours[key]), statistics.median(theirs[key])
        scale = 1 << 20 if key.endswith("bytes") else 1
        ratio = b / a if less else a / b
        print(f"  {label:<26}{a / scale:>14.{digits}f}{b / scale:>14.{digits}f}{ratio:>8.2f}×", flush=True)
        report[key] = {"program": a, "reference": b, "ratio": ratio}
    return report


# --- the models


def write_folder(folder, model, dtype):
    """What save_pretrained refuses for a model that came from GGUF: config.json and model.safetensors, whole or not at all."""
    import torch
    from safetensors.torch import save_file

    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.to(getattr(torch, dtype)).contiguous() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    model.config.dtype = dtype
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(partial)
    save_file(state, partial / "model.safetensors", metadata={"format": "pt"})
    partial.rename(folder)


def smollm2_folder(gguf, dtype):
    folder = CACHE / f"smollm2-{dtype}"
    if not folder.exists():
        model, _ = load_reference(gguf, "float32")
        write_folder(folder, model, dtype)
    return folder


def big_folder(dtype):
    """A Llama of one billion parameters with random weights."""
    folder = CACHE / f"llama-1b-{dtype}"
    if not folder.exists():
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(0)
        torch.set_default_dtype(getattr(torch, dtype))
        config = LlamaConfig(vocab_size=32000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22,
                             num_attention_heads=32, num_key_value_heads=4, max_position_embeddings=2048)
        write_folder(folder, LlamaForCausalLM(config), dtype)
        torch.set_default_dtype(torch.float32)
    return folder


def made_apart(part, model, dtype):
    """A folder made by a process of its own: the peak memory of the measured ones starts at what their parent holds."""
    return pathlib.Path(json.loads(run([sys.executable, __file__, "--part", part, "--model", model, "--dtype", dtype]).splitlines()[-1]))


def warm_file_cache(folder):
    for file in folder.glob("*.safetensors"):
        with open(file, "rb") as stream:
            while stream.read(1 << 24):
                pass


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=pathlib.Path, help="the SmolLM2 GGUF file (default: the one in models/smollm2)")
    parser.add_argument("--dtype", default="float32,bfloat16", help="default: float32,bfloat16")
    parser.add_argument("--big", action="store_true", help="also a random Llama of one billion parameters (makes 2 GB)")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--decode-tokens", type=int, default=64)
    parser.add_argument("--output", type=pathlib.Path, help="writes the figures as JSON")
    parser.add_argument("--part", choices=("first_token", "speed", "smollm2", "big"), help=argparse.SUPPRESS)
    parser.add_argument("--model", help=argparse.SUPPRESS)
    parser.add_argument("--ids", default="1,520,9531,198", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.ids = [int(word) for word in options.ids.split(",")]
    return options


def main():
    options = parse_options()
    if options.part:
        parts = {"first_token": reference_first_token, "speed": reference_speed,
                 "smollm2": lambda o: str(smollm2_folder(pathlib.Path(o.model), o.dtype)),
                 "big": lambda o: str(big_folder(o.dtype))}
        print(json.dumps(parts[options.part](options)))
        return
    missing = [name for name in ("torch", "transformers") if not importlib.util.find_spec(name)]
    if missing:
        sys.exit(f"skipped: {missing[0]} is not in {sys.executable}; script/bench --install-reference installs it")
    if "TRANSFORMERS_CPP" not in os.environ:
        sys.exit("error: TRANSFORMERS_CPP must name the program; run script/bench")
    gguf = options.gguf or next(iter((ROOT / "models" / "smollm2").glob("*.gguf")), None)
    if gguf is None:
        sys.exit("error: models/smollm2 holds no .gguf file; script/demo fetches it")
    print(f"reference: transformers {importlib.metadata.version('transformers')}, torch {importlib.metadata.version('torch')}")
    reports = []
    for dtype in options.dtype.split(","):
        folder = made_apart("smollm2", gguf, dtype)
        warm_file_cache(folder)
        reports.append(compare("SmolLM2-135M, safetensors", folder, dtype, options))
    if options.big:
        folder = made_apart("big", "-", "bfloat16")
        warm_file_cache(folder)
        reports.append(compare("random Llama, 1.1 billion parameters", folder, "bfloat16", options))
    if options.output:
        options.output.write_text(json.dumps(reports, indent=2) + "\n")


if __name__ == "__main__":
    main()
