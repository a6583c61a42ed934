"""Names and layouts of TF 2 and Flax models against PyTorch's, from transformers 4.53.3.

    python tests/tools/make_key_goldens.py tests/data/mapping/framework_keys.json

Every class is built tiny with random values in PyTorch and carried over by the library itself; then each variable is
paired with the PyTorch tensor that holds the same values in some order of axes. Nothing here knows a naming rule.
"""

import itertools
import json
import os
import sys
import tempfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import flax.traverse_util
import jax.numpy as jnp
import numpy as np
import tf_keras
import torch
import transformers

transformers.logging.set_verbosity_error()

# The Flax models of transformers 4.53.3 use a spelling that jax dropped.
_clip = jnp.clip
jnp.clip = lambda x, a_min=None, a_max=None, **rest: _clip(x, rest.get("min", a_min), rest.get("max", a_max))

SMALL = dict(vocab_size=23, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12,
             max_position_embeddings=10)
CONFIGS = {
    "albert": dict(SMALL, embedding_size=4, num_hidden_groups=1, inner_group_num=1),
    "bert": SMALL,
    "distilbert": dict(vocab_size=23, dim=8, n_layers=2, n_heads=2, hidden_dim=12, max_position_embeddings=10),
    "gpt2": dict(vocab_size=23, n_embd=8, n_layer=2, n_head=2, n_positions=10, pad_token_id=0),
    "llama": dict(SMALL, pad_token_id=0),
    "mistral": dict(SMALL, num_key_value_heads=1, pad_token_id=0),
    "roberta": SMALL,
    "t5": dict(vocab_size=23, d_model=8, d_kv=4, d_ff=12, num_layers=2, num_heads=2, decoder_start_token_id=0),
    "t5_gated": dict(vocab_size=23, d_model=8, d_kv=4, d_ff=12, num_layers=1, num_heads=2, decoder_start_token_id=0,
                     feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    "vit": dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, image_size=4,
                patch_size=2, num_channels=3),
}
CLASSES = {
    "albert": ["Model", "ForPreTraining", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification",
               "ForQuestionAnswering", "ForMultipleChoice"],
    "bert": ["Model", "ForPreTraining", "ForMaskedLM", "LMHeadModel", "ForNextSentencePrediction",
             "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice"],
    "distilbert": ["Model", "ForMaskedLM", "ForSequenceClassification", "ForTokenClassification",
                   "ForQuestionAnswering", "ForMultipleChoice"],
    "gpt2": ["Model", "LMHeadModel", "ForSequenceClassification", "DoubleHeadsModel"],
    "llama": ["Model", "ForCausalLM"],
    "mistral": ["Model", "ForCausalLM", "ForSequenceClassification"],
    "roberta": ["Model", "ForMaskedLM", "ForCausalLM", "ForSequenceClassification", "ForTokenClassification",
                "ForQuestionAnswering", "ForMultipleChoice"],
    "t5": ["Model", "ForConditionalGeneration", "EncoderModel"],
    "t5_gated": ["ForConditionalGeneration"],
    "vit": ["Model", "ForImageClassification"],
}


def random_model(cls, config):
    model = cls(config)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def pair(value, ours):
    """The tensors of ours that hold `value`, with the axes that turn the file's into ours; None for a squeeze."""
    found = []
    for name, tensor in ours.items():
        if value.shape == (1, *tensor.shape) and np.array_equal(value[0], tensor):
            found.append((name, None))
        for axes in itertools.permutations(range(value.ndim)):
            if np.array_equal(value.transpose(axes), tensor):
                found.append((name, list(axes)))
                break
    return found


def rows(variables, ours, seen):
    """[key, shape, names with these values, axes from the file's order to ours], without what an earlier class has."""
    out = []
    for key, value in variables:
        found = pair(value, ours)
        what = (key.split("/", 1)[-1], *(found[0][:1] if found else ()))
        if not found:
            print("no partner:", key, value.shape, file=sys.stderr)
        if what in seen:
            continue
        seen.add(what)
        axes = "squeeze" if found and found[0][1] is None else "".join(map(str, found[0][1] if found else []))
        out.append([key, list(value.shape), [name for name, _ in found], axes])
    return out


def main(target):
    goldens, seen = [], {}
    for label, suffixes in CLASSES.items():
        model_type = label.split("_")[0]
        config = transformers.AutoConfig.for_model(model_type, **CONFIGS[label])
        stem = type(config).__name__.removesuffix("Config")
        for suffix in suffixes:
            name = stem + suffix
            with tempfile.TemporaryDirectory() as folder:
                model = random_model(getattr(transformers, name), config)
                model.save_pretrained(folder, safe_serialization=False)
                ours = {k: v.numpy() for k, v in model.state_dict().items()}
                row = {"model_type": model_type, "class": name}
                if hasattr(transformers, "TF" + name):
                    tf_keras.backend.clear_session()
                    tf_model = getattr(transformers, "TF" + name).from_pretrained(folder, from_pt=True)
                    variables = [(w.name, w.numpy()) for w in tf_model.weights]
                    row["keras"] = rows(variables, ours, seen.setdefault((label, "keras"), set()))
                if hasattr(transformers, "Flax" + name):
                    tree = getattr(transformers, "Flax" + name).from_pretrained(folder, from_pt=True).params
                    variables = [(k, np.asarray(v)) for k, v in flax.traverse_util.flatten_dict(tree, sep=".").items()]
                    row["flax"] = rows(variables, ours, seen.setdefault((label, "flax"), set()))
            goldens.append(row)
            print(name, len(row.get("keras", [])), len(row.get("flax", [])), file=sys.stderr)
    with open(target, "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(g, separators=(",", ":")) for g in goldens) + "\n]\n")


if __name__ == "__main__":
    main(sys.argv[1])
