"""tests/data/generation: greedy decoding and logits processors."""

import shutil

import torch
import transformers
from transformers.generation import logits_process

from .core import DATA, EOS, VOCAB, normal, padding_mask, reference_versions, token_ids, write_json, write_tensors
from .text import padded_ids

BATCH, PROMPT, NEW = 2, 7, 12
MARGIN = 1e-3
MODELS = (
    ("bert", "BertLMHeadModel", "models/BertLMHeadModel", None),
    ("gpt2", "GPT2LMHeadModel", "models/GPT2LMHeadModel", None),
    ("llama", "LlamaForCausalLM", "models/LlamaForCausalLM", None),
    ("llama_llama3", "LlamaForCausalLM", "models/rope", "configs/llama3.json"),
    ("llama_dynamic", "LlamaForCausalLM", "models/rope", "configs/dynamic.json"),
    ("mistral", "MistralForCausalLM", "models/MistralForCausalLM", None),
    ("qwen2", "Qwen2ForCausalLM", "models/Qwen2ForCausalLM", None),
    ("qwen2_window", "Qwen2ForCausalLM", "models/Qwen2ForCausalLM", "configs/layer_types.json"),
    ("qwen3", "Qwen3ForCausalLM", "models/Qwen3ForCausalLM", None),
    ("t5", "T5ForConditionalGeneration", "models/T5ForConditionalGeneration", None),
    ("t5_v1_1", "T5ForConditionalGeneration", "models/T5ForConditionalGeneration_v1_1", None),
)


class Generation:
    def __init__(self):
        self.root = DATA / "generation"
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        self.inputs, self.outputs, self.generate, self.processors = {}, {}, [], []

    def load(self, name, cls, model, config):
        folder = DATA / name.split("_")[0]
        arguments = {"config": cls.config_class.from_json_file(str(folder / config))} if config else {}
        return cls.from_pretrained(folder / model, attn_implementation="eager", dtype=torch.float32, **arguments).eval()

    def keep(self, label, inputs, outputs):
        self.inputs |= {f"{label}/{k}": v for k, v in inputs.items()}
        self.outputs |= {f"{label}/{k}": v for k, v in outputs.items()}

    def case(self, entry, model, inputs, options, scores=False):
        """False where two best logits lie so close that rounding could decide between them."""
        result = model.generate(**inputs, **options, return_dict_in_generate=True, output_scores=True)
        best = torch.stack(result.scores).topk(2).values
        if (best[..., 0] - best[..., 1]).min() < MARGIN:
            return False
        outputs = {"sequences": result.sequences}
        outputs |= {f"scores.{i}": s for i, s in enumerate(result.scores)} if scores else {}
        self.keep(entry["id"], inputs, outputs)
        self.generate.append(entry | {"inputs": list(inputs), "options": options, "outputs": list(outputs)})
        return True

    def finish(self):
        write_tensors(self.root / "inputs.safetensors", self.inputs)
        write_tensors(self.root / "outputs.safetensors", self.outputs)
        write_json(
            self.root / "cases.json",
            {"reference": reference_versions(), "generate": self.generate, "processors": self.processors},
        )


def prompts(label, side):
    if side is None:
        return {"input_ids": token_ids(label, BATCH, PROMPT)}
    mask = padding_mask(BATCH, PROMPT, side)
    return {"input_ids": padded_ids(label, mask), "attention_mask": mask}


def option_table(emitted):
    """Option sets; the EOS ids are tokens that the plain run emits, one for each row."""
    ends = [int(emitted[0][3]), int(emitted[1][5])]
    greedy = {"max_new_tokens": NEW, "do_sample": False}
    return {
        "plain": (greedy, None, True),
        "left": (greedy, "left", False),
        "no_cache": (greedy | {"use_cache": False}, "left", False),
        "eos": (greedy | {"eos_token_id": ends[0], "pad_token_id": 0}, None, False),
        "eos_list": (greedy | {"eos_token_id": ends, "pad_token_id": 0}, None, False),
        "eos_list_left": (greedy | {"eos_token_id": ends, "pad_token_id": 0}, "left", False),
        "min_new_tokens": (greedy | {"eos_token_id": ends, "pad_token_id": 0, "min_new_tokens": 8}, None, False),
        "max_length": ({"max_length": PROMPT + 4, "do_sample": False}, None, False),
        "repetition": (greedy | {"repetition_penalty": 1.5}, "left", True),
        "repetition_below_one": (greedy | {"repetition_penalty": 0.6}, None, False),
    }


def decode(made, name, class_name, model_path, config):
    cls = getattr(transformers, class_name)

    def fresh():
        """A dynamic rope remembers the longest sequence it has seen: no run may inherit that from another."""
        return made.load(name, cls, model_path, config)

    family = name.split("_")[0]
    entry = {"class": class_name, "model": f"../{family}/{model_path}"} | (
        {"config": f"../{family}/{config}"} if config else {}
    )
    for suffix, (_, side, scores) in option_table([[0] * NEW] * BATCH).items():
        side = "right" if side and family == "t5" else side
        for attempt in range(60):
            label = f"{name}_{suffix}"
            inputs = prompts(f"{label}/{attempt}", side)
            emitted = fresh().generate(**inputs, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False)[:, -NEW:]
            if attempt < 50 and min(len(set(row)) for row in emitted.tolist()) < 4:
                continue
            options = option_table(emitted)[suffix][0]
            if made.case({"id": label} | entry, fresh(), inputs, options, scores):
                break
        else:
            raise RuntimeError(f"no clear-cut prompt for {label}")


def processor(name, value, keep=1):
    table = {
        "temperature": lambda: logits_process.TemperatureLogitsWarper(value),
        "top_k": lambda: logits_process.TopKLogitsWarper(value, min_tokens_to_keep=keep),
        "top_p": lambda: logits_process.TopPLogitsWarper(value, min_tokens_to_keep=keep),
        "min_p": lambda: logits_process.MinPLogitsWarper(value, min_tokens_to_keep=keep),
        "repetition_penalty": lambda: logits_process.RepetitionPenaltyLogitsProcessor(value),
        "min_length": lambda: logits_process.MinLengthLogitsProcessor(value, EOS),
        "min_new_tokens": lambda: logits_process.MinNewTokensLengthLogitsProcessor(4, value, EOS),
    }
    return table[name]()


CHAINS = {
    "temperature": [("temperature", 0.7)],
    "temperature_high": [("temperature", 5.0)],
    "top_k": [("top_k", 5)],
    "top_k_one": [("top_k", 1)],
    "top_k_all": [("top_k", 1000)],
    "top_k_keep": [("top_k", 2, 4)],
    "top_p": [("top_p", 0.8)],
    "top_p_small": [("top_p", 0.01)],
    "top_p_one": [("top_p", 1.0)],
    "top_p_zero": [("top_p", 0.0)],
    "top_p_keep": [("top_p", 0.05, 3)],
    "min_p": [("min_p", 0.1)],
    "min_p_one": [("min_p", 1.0)],
    "min_p_zero": [("min_p", 0.0)],
    "min_p_keep": [("min_p", 0.9, 3)],
    "repetition": [("repetition_penalty", 1.3)],
    "repetition_below_one": [("repetition_penalty", 0.8)],
    "min_length": [("min_length", 9)],
    "min_length_reached": [("min_length", 6)],
    "min_new_tokens": [("min_new_tokens", 5)],
    "min_new_tokens_reached": [("min_new_tokens", 2)],
    "all": [("repetition_penalty", 1.2), ("temperature", 0.8), ("top_k", 12), ("top_p", 0.9), ("min_p", 0.05)],
}

# Filters that do not depend on the order of equal scores.
WITH_TIES = ("top_k", "top_k_one", "top_k_keep", "min_p", "repetition")


def process(made):
    for kind in ("", "_ties"):
        for name, chain in CHAINS.items():
            if kind and name not in WITH_TIES:
                continue
            label = f"{name}{kind}"
            ids, scores = token_ids(label, 3, 8, low=2), normal(label, 3, VOCAB, scale=2.0)
            scores = scores.round() if kind else scores
            expected = scores.clone()
            for step in chain:
                expected = processor(*step)(ids, expected)
            made.keep(label, {"input_ids": ids, "scores": scores}, {"scores": expected})
            steps = [{"name": n, "value": v, "min_tokens_to_keep": (k or [1])[0]} for n, v, *k in chain]
            made.processors.append(
                {"id": label, "chain": steps, "inputs": ["input_ids", "scores"], "outputs": ["scores"]}
            )


def make():
    made = Generation()
    for row in MODELS:
        decode(made, *row)
    process(made)
    made.finish()
