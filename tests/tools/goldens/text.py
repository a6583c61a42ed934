"""Cases that every text model shares."""

import torch

from .core import BF16, BOTH, PAD, VOCAB, Step, normal, padding_mask, token_ids

BATCH, LENGTH = 2, 9
FULL = {"output_hidden_states": True, "output_attentions": True}


def padded_ids(label, mask, vocab=VOCAB):
    return torch.where(mask.bool(), token_ids(label, *mask.shape, vocab=vocab), PAD)


def plain(label, length=LENGTH, vocab=VOCAB):
    return {"input_ids": token_ids(label, BATCH, length, vocab=vocab)}


def masked(label, side, length=LENGTH, vocab=VOCAB):
    mask = padding_mask(BATCH, length, side)
    return {"input_ids": padded_ids(label, mask, vocab), "attention_mask": mask}


def embedded(label, hidden, length=LENGTH):
    return {"inputs_embeds": normal(label, BATCH, length, hidden, scale=0.5)}


def basics(folder, cls, model, *, hidden, name=None, attn=BOTH, config=None, construct=None, kinds=None, length=LENGTH):
    """No mask, both paddings, all outputs, embeddings as input, explicit positions, bfloat16."""
    name = name or cls.__name__
    table = {
        "plain": lambda k: (plain(k, length), {}),
        "left": lambda k: (masked(k, "left", length), {}),
        "right": lambda k: (masked(k, "right", length), {}),
        "full": lambda k: (masked(k, "right", length), FULL),
        "embeds": lambda k: (embedded(k, hidden, length), {}),
        "positions": lambda k: (plain(k, length) | {"position_ids": torch.arange(2, 2 + length).repeat(BATCH, 1)}, {}),
        "bf16": lambda k: (masked(k, "right", length), {}),
    }
    for kind in kinds or table:
        label = f"{name}_{kind}"
        inputs, options = table[kind](label)
        more = {"dtype": BF16} if kind == "bf16" else {}
        folder.case(label, cls, model, Step(inputs, options), config, attn=attn, construct=construct, **more)


def cache_steps(label, sizes, side=None, vocab=VOCAB):
    """One step per entry of sizes; with a side, the mask of everything seen so far goes along."""
    total = sum(sizes)
    mask = padding_mask(BATCH, total, "left") if side else None
    ids = padded_ids(label, mask, vocab) if side else token_ids(label, BATCH, total, vocab=vocab)
    steps, start = [], 0
    for size in sizes:
        inputs = {"input_ids": ids[:, start : start + size]}
        if side:
            inputs["attention_mask"] = mask[:, : start + size]
        steps.append(Step(inputs, {"use_cache": True}, ["past_key_values"] if start else []))
        start += size
    return steps


def cached(folder, cls, model, *, name=None, config=None, attn=BOTH, construct=None, bf16=True):
    """Prefill then single tokens, prefill then a chunk, left padding, and no cache at all."""
    name = name or cls.__name__
    common = {"config": config, "attn": attn, "construct": construct}
    folder.case(f"{name}_cache", cls, model, cache_steps(f"{name}_cache", [6, 1, 1]), **common)
    folder.case(f"{name}_cache_chunk", cls, model, cache_steps(f"{name}_cache_chunk", [5, 4, 1]), **common)
    folder.case(f"{name}_cache_left", cls, model, cache_steps(f"{name}_cache_left", [6, 1, 1], "left"), **common)
    folder.case(f"{name}_no_cache", cls, model, Step(plain(f"{name}_no_cache"), {"use_cache": False}), **common)
    if bf16:
        steps = cache_steps(f"{name}_cache_bf16", [6, 1, 1])
        folder.case(f"{name}_cache_bf16", cls, model, steps, dtype=BF16, **common)


def with_labels(folder, cls, model, label, labels, base=None, config=None, construct=None):
    folder.case(label, cls, model, Step((base or plain(label)) | labels), config, construct=construct)


def lm_labels(label, vocab=VOCAB, length=LENGTH):
    labels = token_ids(label + "/labels", BATCH, length, vocab=vocab)
    labels[0, :2] = -100
    return {"labels": labels}


def span_labels(length=LENGTH):
    """The second span lies outside of the sequence and is ignored by the loss."""
    return {"start_positions": torch.tensor([1, length + 3]), "end_positions": torch.tensor([4, length + 3])}


def sequence_labels(folder, cls, make_model, make_base=plain):
    """The three kinds of loss of a sequence classifier; make_model(name, **config fields) makes a folder."""
    name = cls.__name__
    three = make_model(name, num_labels=3)
    one = make_model(f"{name}_regression", num_labels=1)
    single, multi, regression = f"{name}_labels_single", f"{name}_labels_multi", f"{name}_labels_regression"
    with_labels(folder, cls, three, single, {"labels": torch.tensor([2, 0])}, make_base(single))
    with_labels(
        folder, cls, three, multi, {"labels": torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])}, make_base(multi)
    )
    with_labels(folder, cls, one, regression, {"labels": torch.tensor([0.25, -0.5])}, make_base(regression))
    config = folder.config(f"{name}_regression3", three, problem_type="regression")
    label = f"{name}_labels_regression3"
    with_labels(folder, cls, three, label, {"labels": normal(label, BATCH, 3)}, make_base(label), config)
    return three


def token_classifier(folder, cls, model, hidden):
    name = cls.__name__
    basics(folder, cls, model, hidden=hidden, kinds=("plain", "left", "right", "embeds"))
    labels = torch.randint(0, 3, (BATCH, LENGTH), generator=torch.Generator().manual_seed(7))
    labels[1, 3] = -100
    with_labels(folder, cls, model, f"{name}_labels", {"labels": labels})


def question_answering(folder, cls, model, hidden):
    basics(folder, cls, model, hidden=hidden, kinds=("plain", "right", "full", "embeds"))
    with_labels(folder, cls, model, f"{cls.__name__}_labels", span_labels())


def causal_lm(folder, cls, model, hidden, config=None, name=None):
    name = name or cls.__name__
    basics(folder, cls, model, hidden=hidden, config=config, name=name)
    cached(folder, cls, model, config=config, name=name)
    with_labels(folder, cls, model, f"{name}_labels", lm_labels(name), config=config)
    label = f"{name}_keep"
    folder.case(label, cls, model, Step(plain(label), {"logits_to_keep": 2}), config)
