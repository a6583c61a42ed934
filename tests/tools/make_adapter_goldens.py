"""Writes tests/data/adapters: small LoRA adapters that peft saved for the tiny models of tests/data, and what the models
compute with them.

Needs transformers, torch and peft; run from the repository root.

adapters/<case>/adapter_config.json, adapter_model.safetensors   what peft's save_pretrained wrote
adapters/inputs.safetensors, adapters/outputs.safetensors        "<case>/<name>" → tensor, in eval mode
adapters/adapters.json                                           versions; per case the model, its class, and more
"""

import json
import pathlib
import shutil
import sys
import zlib

import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
OUT = DATA / "adapters"
LLAMA, GPT2 = "llama/models/LlamaForCausalLM", "gpt2/models/GPT2LMHeadModel"
BIASES, TIED = "llama/models/biases", "llama/models/tied"
BERT, T5 = "bert/models/BertForSequenceClassification", "t5/models/T5ForConditionalGeneration"

# case: model, options of LoraConfig
CASES = {
    "list": (LLAMA, dict(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"], lora_dropout=0.1, task_type="CAUSAL_LM")),
    "expression": (LLAMA, dict(r=2, target_modules=r".*\.(self_attn\.(k|o)_proj|mlp\.up_proj)", task_type="CAUSAL_LM")),
    "all_linear": (LLAMA, dict(r=3, target_modules="all-linear", exclude_modules=["gate_proj"], task_type="CAUSAL_LM")),
    "patterns": (LLAMA, dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj", "down_proj"],
                             rank_pattern={"q_proj": 5, r"layers\.1\.mlp\..*": 1},
                             alpha_pattern={r"self_attn\.k_proj": 10, "^model.layers.0.mlp.down_proj": 3})),
    "layers": (LLAMA, dict(r=2, target_modules=["q_proj", "up_proj"], layers_to_transform=[1], layers_pattern="layers")),
    "layer": (LLAMA, dict(r=2, target_modules=["o_proj"], layers_to_transform=0)),
    "rslora": (LLAMA, dict(r=4, lora_alpha=3, target_modules=["q_proj", "o_proj"], use_rslora=True)),
    "dora": (LLAMA, dict(r=2, target_modules=["q_proj", "down_proj"], use_dora=True, lora_dropout=0.2)),
    "dora_bias": (BIASES, dict(r=2, target_modules=["q_proj", "down_proj"], use_dora=True)),
    "bias_all": (BIASES, dict(r=2, target_modules=["q_proj"], bias="all")),
    "bias_lora_only": (BIASES, dict(r=2, target_modules=["q_proj", "gate_proj"], bias="lora_only")),
    "lora_bias": (BIASES, dict(r=2, target_modules=["v_proj"], lora_bias=True)),
    "embedding": (LLAMA, dict(r=3, target_modules=["q_proj", "embed_tokens"])),
    "embedding_tied": (TIED, dict(r=3, target_modules=["embed_tokens", "lm_head"])),
    "head": (LLAMA, dict(r=2, target_modules=["q_proj"], modules_to_save=["lm_head"])),
    "gpt2": (GPT2, dict(r=2, lora_alpha=6, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True)),
    "gpt2_dora": (GPT2, dict(r=2, target_modules=["c_attn"], use_dora=True, fan_in_fan_out=True)),
    "gpt2_all_linear": (GPT2, dict(r=1, target_modules="all-linear", fan_in_fan_out=True)),
    "gpt2_embedding": (GPT2, dict(r=2, target_modules=["wte", "wpe"])),
    "bert": (BERT, dict(r=2, target_modules=["query", "value"], task_type="SEQ_CLS")),
    "bert_all_linear": (BERT, dict(r=2, target_modules="all-linear", task_type="SEQ_CLS", bias="lora_only")),
    "t5": (T5, dict(r=2, target_modules=["q", "v", "wo"], task_type="SEQ_2_SEQ_LM")),
    "t5_expression": (T5, dict(r=2, target_modules=r".*decoder.*(SelfAttention|EncDecAttention).*(q|v)$")),
}


def inputs_of(case, model):
    generator = torch.Generator().manual_seed(zlib.crc32(case.encode()))
    inputs = {"input_ids": torch.randint(3, 41, (2, 7), generator=generator)}
    if model == T5:
        inputs["decoder_input_ids"] = torch.randint(3, 41, (2, 5), generator=generator)
    return inputs


def make_case(case, model, options):
    torch.manual_seed(zlib.crc32(case.encode()))
    architecture = json.loads((DATA / model / "config.json").read_text())["architectures"][0]
    base = getattr(transformers, architecture).from_pretrained(DATA / model, dtype=torch.float32)
    adapted = get_peft_model(base, LoraConfig(**options))
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn_like(parameter) * (0.05 if "magnitude" in name else 0.2)
    adapted.peft_config["default"].base_model_name_or_path = model
    folder = OUT / case
    adapted.save_pretrained(folder, save_embedding_layers="auto" if "embedding" in case else False)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    for key in ("target_modules", "exclude_modules"):  # sets, in no order
        if isinstance(config.get(key), list):
            config[key] = sorted(config[key])
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    # As a file has it, so that what saving loses is lost here too.
    base = getattr(transformers, architecture).from_pretrained(DATA / model, dtype=torch.float32)
    inputs = inputs_of(case, model)
    with torch.no_grad():
        plain = base(**inputs).logits
        loaded = PeftModel.from_pretrained(base, folder).eval()
        logits = loaded(**inputs).logits
        keys = sorted(load_file(folder / "adapter_model.safetensors"))
    assert (logits - plain).abs().max() > 1e-3, case
    row = {"model": model, "class": architecture, "keys": keys, "changes_by": (logits - plain).abs().max().item()}
    return row, inputs, {"logits": logits, "without": plain}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    rows, all_inputs, all_outputs = {}, {}, {}
    for case, (model, options) in CASES.items():
        rows[case], inputs, outputs = make_case(case, model, options)
        all_inputs |= {f"{case}/{name}": tensor for name, tensor in inputs.items()}
        all_outputs |= {f"{case}/{name}": tensor.contiguous() for name, tensor in outputs.items()}
        print(case, f"{rows[case]['changes_by']:.3f}", len(rows[case]["keys"]), flush=True)
    versions = {"peft": peft.__version__, "transformers": transformers.__version__, "torch": torch.__version__.split("+")[0]}
    (OUT / "adapters.json").write_text(json.dumps(versions | {"cases": rows}, indent=1) + "\n")
    save_file(all_inputs, OUT / "inputs.safetensors")
    save_file(all_outputs, OUT / "outputs.safetensors")


if __name__ == "__main__":
    sys.exit(main())
