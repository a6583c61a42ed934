"""Opens adapter folders that we wrote with peft, and with the reference's load_adapter, and compares the logits.

Needs what make_adapter_goldens.py needs. Run from the repository root after our tests wrote into a folder:

    TRANSFORMERS_WRITTEN_FILES=/tmp/adapters build/release/tests/pretrained_tests --gtest_filter='*Adapter*'
    python tests/tools/check_adapters.py /tmp/adapters
"""

import json
import pathlib
import sys
import warnings

import peft
import torch
import transformers
from peft import PeftConfig, PeftModel
from safetensors.torch import load_file

import make_adapter_goldens as goldens

TOLERANCE = 1e-5


def logits_of(model, inputs):
    with torch.no_grad():
        return model.eval()(**inputs).logits


def check(folder, cases, inputs):
    """(largest difference in peft, in the reference's load_adapter, what they complained of)"""
    case = folder.name if folder.name in cases else "list"
    row = cases[case]
    own_inputs = {key.split("/")[1]: tensor for key, tensor in inputs.items() if key.startswith(case + "/")}
    expected = load_file(folder / "expected_logits.safetensors")["logits"]
    make = lambda: getattr(transformers, row["class"]).from_pretrained(goldens.DATA / row["model"], dtype=torch.float32)
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        PeftConfig.from_pretrained(folder)  # warns of keys that it does not know
        by_peft = logits_of(PeftModel.from_pretrained(make(), folder), own_inputs)
    texts = [str(c.message) for c in complaints if "adapter" in str(c.message) or "Unexpected" in str(c.message)]
    texts = [text for text in texts if "ensure_weight_tying" not in text]  # of the model that the adapter is for
    model = make()
    info = model.load_adapter(str(folder))
    keys = {k: sorted(getattr(info, k)) for k in ("missing_keys", "unexpected_keys", "mismatched_keys") if getattr(info, k)}
    if not json.loads((folder / "adapter_config.json").read_text())["use_dora"]:  # 5.23.0 loses DoRA's magnitudes
        texts += [f"{k}: {v}" for k, v in keys.items()]
        by_reference = (logits_of(model, own_inputs) - expected).abs().max().item()
    else:
        by_reference = 0.0
    return (by_peft - expected).abs().max().item(), by_reference, texts


def main(written):
    cases = json.loads((goldens.OUT / "adapters.json").read_text())["cases"]
    inputs = load_file(goldens.OUT / "inputs.safetensors")
    failures = 0
    for folder in sorted(path.parent for path in written.glob("*/adapter_config.json")):
        peft_error, reference_error, texts = check(folder, cases, inputs)
        is_right = max(peft_error, reference_error) <= TOLERANCE and not texts
        failures += not is_right
        print(f"{'ok  ' if is_right else 'FAIL'}  {folder.name}  {peft_error:.1e}  {reference_error:.1e}  {texts}", flush=True)
    print(f"{failures} failures; peft {peft.__version__}, transformers {transformers.__version__}")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
