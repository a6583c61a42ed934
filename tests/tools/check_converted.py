"""Opens what `transformers-cpp convert` wrote with the real libraries and compares keys and outputs.

    python tests/tools/check_converted.py PROGRAM [smollm2-folder]

Checks what the interpreter has: transformers 5 with torch (safetensors, pt), transformers 4.53.3 with TF and Flax
(tf, flax), llama-cpp-python (GGUF, when a folder with a SmolLM2 is named). Every model of tests/data/formats is
converted from every format that it has.
"""

import contextlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = ""

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import numpy as np
import transformers
from safetensors.numpy import load_file

DATA = pathlib.Path(__file__).parents[1] / "data/formats"
CLASSES = {"bert": "BertForPreTraining", "gpt2": "GPT2LMHeadModel", "t5": "T5ForConditionalGeneration",
           "llama": "LlamaForCausalLM"}
SOURCES = ("pytorch", "tf", "tf_sharded", "flax", "flax_sharded")
failures = 0


def check(name, is_right, detail=""):
    global failures
    failures += not is_right
    print(f"{'ok  ' if is_right else 'FAIL'}  {name}  {detail}", flush=True)


def convert(program, source, target, *options):
    return subprocess.run([program, "convert", source, target, *options], capture_output=True, text=True)


def outputs_of(outputs):
    fields = {"logits": "logits", "prediction_logits": "prediction_logits", "seq_relationship_logits":
              "seq_relationship_logits", "mlm_logits": "prediction_logits"}
    return {k: np.asarray(outputs[k].detach() if hasattr(outputs[k], "detach") else outputs[k])
            for k in fields if k in outputs}


def run(model, framework, folder):
    """(report, outputs) of the reference's from_pretrained."""
    name = {"torch": "", "tf": "TF", "flax": "Flax"}[framework] + CLASSES[model]
    cls = getattr(transformers, name)
    inputs = dict(load_file(DATA / model / "inputs.safetensors"))
    if framework == "flax":
        return {}, outputs_of(cls.from_pretrained(folder)(**inputs))
    loaded, info = cls.from_pretrained(folder, output_loading_info=True)
    if framework == "tf":
        return info, outputs_of(loaded(inputs))
    import torch
    with torch.no_grad():
        return info, outputs_of(loaded.eval()(**{k: torch.from_numpy(v) for k, v in inputs.items()}))


def check_models(program, framework, targets):
    for model in CLASSES:
        if framework == "tf" and model == "llama":
            continue
        golden = {}
        if framework == "torch":
            _, golden = run(model, framework, DATA / model / "pytorch")
        else:
            _, golden = run(model, framework, DATA / model / framework)
        for source in SOURCES:
            if not (DATA / model / source).exists():
                continue
            for target, extra in [(t, e) for t in targets for e in ((), ("--max-shard-size", "4KB"))]:
                label = f"{model} {source} -> {target} {' '.join(extra)}"
                with tempfile.TemporaryDirectory() as parent:
                    done = convert(program, DATA / model / source, parent + "/out", "--to", target, *extra)
                    if done.returncode:
                        check(label, False, done.stderr.strip())
                        continue
                    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
                        info, found = run(model, framework, parent + "/out")
                keys = {k: v for k, v in info.items() if v}
                worst = max(float(np.abs(found[k] - golden[k]).max()) for k in golden)
                check(label, not keys and worst == 0 and bool(golden), f"keys {keys}, outputs differ by {worst}")


def check_llama_cpp(program, folder):
    import llama_cpp
    for dtype in ("float32", "float16"):
        with tempfile.TemporaryDirectory() as parent:
            gguf = f"{parent}/model.gguf"
            done = convert(program, folder, gguf, "--to", "gguf", "--dtype", dtype)
            if done.returncode:
                check(f"gguf {dtype}", False, done.stderr.strip())
                continue
            model = llama_cpp.Llama(model_path=gguf, n_ctx=256, verbose=False, n_threads=2)
            prompt = model.tokenize(b"The capital of France is", add_bos=False)
            found = []
            for token in model.generate(prompt, temp=0.0, repeat_penalty=1.0):
                found.append(token)
                if len(found) == 24:
                    break
            ours = subprocess.run([program, "generate", folder, "--input-ids", ",".join(map(str, prompt)),
                                   "--max-new-tokens", "24", "--do-sample", "false", "--dtype", "float32", "--json"],
                                  capture_output=True, text=True)
            if ours.returncode:
                check(f"gguf {dtype}", False, ours.stderr.strip())
                continue
            expected = json.loads(ours.stdout)["sequences"][0][-24:]
            check(f"SmolLM2 {dtype} in llama.cpp", found == expected, model.detokenize(found).decode())


if __name__ == "__main__":
    program = str(pathlib.Path(sys.argv[1]).resolve())
    if importlib.util.find_spec("tensorflow"):
        import make_framework_goldens  # adapts JAX to what transformers 4 calls
        check_models(program, "tf", ("tf",))
        check_models(program, "flax", ("flax",))
    else:
        check_models(program, "torch", ("safetensors", "pt"))
        if len(sys.argv) > 2:
            check_llama_cpp(program, sys.argv[2])
    print(f"{failures} failures; transformers {transformers.__version__}")
    sys.exit(failures != 0)
