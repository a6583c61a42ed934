"""tests/data/gguf: tiny GGUF files in every block format, and what the reference computes after loading them."""

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type

from .core import FP32, Folder, Step, fill, normal, write_json, write_tensors
from .names import plain_dict
from .text import plain

VOCAB = 48
SIMPLE = (Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1)
# Super-blocks of 256: bytes, and where the half-precision scales lie. The package reads these but does not write them.
K_BLOCKS = {
    Type.Q2_K: (84, (80, 82)),
    Type.Q3_K: (110, (108,)),
    Type.Q4_K: (144, (0, 2)),
    Type.Q5_K: (176, (0, 2)),
    Type.Q6_K: (210, (208,)),
}
# Ratio of the second scale (of the minimum) to the first that centres the values.
MINIMUM = {Type.Q2_K: 1.5, Type.Q4_K: 7.5, Type.Q5_K: 15.5}


def random_blocks(label, kind, rows, columns, deviation):
    """Random bits in every field; the scales are set so that the values have the given standard deviation."""
    size, scales = K_BLOCKS[kind]
    blocks = torch.randint(
        0, 256, (rows * columns // 256, size), generator=torch.Generator().manual_seed(len(label) + rows)
    )
    blocks = blocks.numpy().astype(np.uint8)
    relative = 0.75 + 0.5 * torch.rand(len(blocks), generator=torch.Generator().manual_seed(rows)).numpy()

    def with_scale(scale):
        for position, offset in enumerate(scales):
            factor = scale * (MINIMUM[kind] if position else 1.0)
            blocks[:, offset : offset + 2] = (relative * factor).astype(np.float16).view(np.uint8).reshape(-1, 2)
        return blocks.reshape(rows, -1)

    unit = gguf.dequantize(with_scale(2.0**-6), kind).std()
    return with_scale(deviation / unit * 2.0**-6).copy()


class File:
    """A GGUF file being written from a model of the reference."""

    def __init__(self, path, model, arch, kinds):
        self.writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
        self.model, self.config, self.kinds, self.used = model, model.config, kinds, {}
        self.names = gguf.get_tensor_name_map(arch, model.config.num_hidden_layers)

    def metadata(self):
        config, writer = self.config, self.writer
        writer.add_name("tiny")
        writer.add_context_length(config.max_position_embeddings)
        writer.add_block_count(config.num_hidden_layers)
        writer.add_embedding_length(config.hidden_size)
        writer.add_head_count(config.num_attention_heads)

    def decoder_metadata(self):
        config, writer = self.config, self.writer
        self.metadata()
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        writer.add_rope_dimension_count(head_dim)
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
        writer.add_vocab_size(config.vocab_size)

    def tokenizer(self):
        """A byte-level vocabulary with a few merges, so that the file is whole."""
        letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
        merges = ["t h", "th e", "Ġ a", "i n", "Ġ the"]
        tokens = ["<unk>", "<s>", "</s>", "Ġ", *letters, *(m.replace(" ", "") for m in merges)]
        tokens += [str(d) for d in range(10)]
        tokens += [f"<extra_{i}>" for i in range(VOCAB - len(tokens))]
        kinds = [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.NORMAL] * (len(tokens) - 3)
        writer = self.writer
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_list(tokens[:VOCAB])
        writer.add_token_types(kinds[:VOCAB])
        writer.add_token_merges(merges)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_unk_token_id(0)
        writer.add_add_bos_token(False)

    def add(self, name, tensor):
        base, suffix = name.rsplit(".", 1)
        target = f"{self.names.get_name(base)}.{suffix}"
        kind = self.kinds(name, tensor)
        data = tensor.detach().contiguous().numpy()
        self.used[name] = kind.name
        if kind in K_BLOCKS:
            data = random_blocks(name, kind, *data.shape, deviation=data.std())
            self.writer.add_tensor(target, data, raw_dtype=kind)
        else:
            data = gguf.quantize(data, kind)
            self.writer.add_tensor(target, data, raw_dtype=kind)

    def close(self):
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()


def permuted(tensor, heads):
    """The row order of llama.cpp: its rotary embedding pairs neighbours, the reference's pairs halves."""
    return (
        tensor.reshape(heads, 2, tensor.shape[0] // heads // 2, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)
    )


def uniform(kind):
    """Every matrix in one type, as converters do: vectors stay float32."""
    return lambda name, tensor: kind if tensor.ndim > 1 and tensor.shape[-1] % 32 == 0 else Type.F32


def mixed(name, tensor):
    """Rows of 256 in the K types, the others in Q8_0."""
    table = {
        "q_proj": Type.Q2_K,
        "k_proj": Type.Q3_K,
        "v_proj": Type.Q4_K,
        "gate_proj": Type.Q5_K,
        "up_proj": Type.Q6_K,
        "embed_tokens": Type.Q4_K,
        "lm_head": Type.Q6_K,
    }
    if tensor.ndim < 2:
        return Type.F32
    return next((k for n, k in table.items() if n in name), Type.Q8_0)


def decoder_file(folder, label, cls, arch, fields, kinds):
    config = cls.config_class(
        **(
            {
                "vocab_size": VOCAB,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "max_position_embeddings": 64,
                "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0},
                "bos_token_id": 1,
                "eos_token_id": 2,
            }
            | fields
        )
    )
    model = cls(config)
    fill(model, f"gguf/{label}")
    file = File(folder.root / f"{label}.gguf", model, arch, kinds)
    file.decoder_metadata()
    file.tokenizer()
    for name, tensor in model.named_parameters():
        if arch == gguf.MODEL_ARCH.LLAMA and "q_proj" in name:
            tensor = permuted(tensor, config.num_attention_heads)
        if arch == gguf.MODEL_ARCH.LLAMA and "k_proj" in name:
            tensor = permuted(tensor, config.num_key_value_heads)
        file.add(name, tensor)
    file.close()
    return file.used


def gpt2_file(folder, label, kinds):
    cls = transformers.GPT2LMHeadModel
    model = cls(transformers.GPT2Config(vocab_size=VOCAB, n_embd=32, n_layer=1, n_head=4))
    fill(model, f"gguf/{label}")
    file = File(folder.root / f"{label}.gguf", model, gguf.MODEL_ARCH.GPT2, kinds)
    file.metadata()
    file.writer.add_feed_forward_length(128)
    file.writer.add_layer_norm_eps(model.config.layer_norm_epsilon)
    file.tokenizer()
    for name, tensor in model.named_parameters():
        transposed = tensor.ndim == 2 and ".c_" in name
        file.add(name, tensor.T if transposed else tensor)
    file.close()
    return file.used


def t5_file(folder, label, kinds):
    cls = transformers.T5ForConditionalGeneration
    model = cls(
        transformers.T5Config(
            vocab_size=VOCAB,
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            decoder_start_token_id=0,
        )
    )
    fill(model, f"gguf/{label}")
    file = File(folder.root / f"{label}.gguf", model, gguf.MODEL_ARCH.T5, kinds)
    config, writer = model.config, file.writer
    writer.add_name("tiny")
    writer.add_context_length(64)
    writer.add_block_count(2)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_key_length(8)
    writer.add_value_length(8)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_relative_attn_buckets_count(config.relative_attention_num_buckets)
    writer.add_decoder_start_token_id(0)
    file.tokenizer()
    for name, tensor in model.named_parameters():
        file.add(name, tensor)
    file.add("lm_head.weight", normal("gguf/head", VOCAB, 32, scale=0.1))
    file.close()
    return file.used


class GgufFolder(Folder):
    """The model of a case is a file; the config comes out of it."""

    files: list

    def load(self, cls, model, config=None, dtype=FP32, attn="eager", construct=None):
        dtype = getattr(torch, dtype)
        loaded, info = cls.from_pretrained(
            self.root, gguf_file=model, dtype=dtype, attn_implementation=attn, output_loading_info=True
        )
        assert not info["missing_keys"] and not info["mismatched_keys"], (model, info)
        return loaded.eval()

    def register(self, *_):
        pass

    def add(self, label, cls, used, inputs=None, bf16=False):
        model = f"{label}.gguf"
        config = plain_dict(self.load(cls, model).config)
        self.files.append({"file": model, "class": cls.__name__, "config": config, "tensors": used})
        self.case(f"{label}_plain", cls, model, Step(inputs or plain(label, vocab=VOCAB)))
        if bf16:
            self.case(f"{label}_bf16", cls, model, Step(inputs or plain(label, vocab=VOCAB)), dtype="bfloat16")


def blocks(folder):
    """Raw bytes of every type and the numbers they stand for."""
    tensors, table = {}, {}
    for kind in (*SIMPLE, *K_BLOCKS):
        if kind in K_BLOCKS:
            raw = random_blocks(f"blocks/{kind.name}", kind, 4, 512, deviation=1.0)
        else:
            raw = gguf.quantize(normal(f"blocks/{kind.name}", 4, 64).numpy(), kind)
            raw = np.ascontiguousarray(raw).view(np.uint8)
        values = gguf.dequantize(raw.view({Type.F32: np.float32, Type.F16: np.float16}.get(kind, np.uint8)), kind)
        tensors |= {
            f"{kind.name}/bytes": torch.from_numpy(raw.copy()),
            f"{kind.name}/values": torch.from_numpy(values.astype(np.float32)),
        }
        table[kind.name] = {
            "ggml_type": int(kind),
            "elements": gguf.GGML_QUANT_SIZES[kind][0],
            "bytes": gguf.GGML_QUANT_SIZES[kind][1],
        }
    write_tensors(folder.root / "blocks.safetensors", tensors)
    write_json(folder.root / "blocks.json", table)


def make():
    folder = GgufFolder("gguf")
    folder.files = []
    arch = gguf.MODEL_ARCH
    llama, qwen2, qwen3 = transformers.LlamaForCausalLM, transformers.Qwen2ForCausalLM, transformers.Qwen3ForCausalLM
    for kind in SIMPLE:
        label = f"llama_{kind.name.lower()}"
        used = decoder_file(folder, label, llama, arch.LLAMA, {"num_hidden_layers": 1}, uniform(kind))
        folder.add(label, llama, used, bf16=kind in (Type.F16, Type.Q4_1))
    small = {
        "hidden_size": 256,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
    }
    folder.add("llama_k", llama, decoder_file(folder, "llama_k", llama, arch.LLAMA, small, mixed))
    tied = {"tie_word_embeddings": True, "num_hidden_layers": 1}
    folder.add("llama_tied", llama, decoder_file(folder, "llama_tied", llama, arch.LLAMA, tied, uniform(Type.Q8_0)))
    folder.add("qwen2", qwen2, decoder_file(folder, "qwen2", qwen2, arch.QWEN2, {}, uniform(Type.Q8_0)))
    wide = {
        "head_dim": 128,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }  # no other size is read
    folder.add("qwen3", qwen3, decoder_file(folder, "qwen3", qwen3, arch.QWEN3, wide, uniform(Type.Q8_0)))
    folder.add("gpt2", transformers.GPT2LMHeadModel, gpt2_file(folder, "gpt2", uniform(Type.Q8_0)))
    inputs = plain("t5", vocab=VOCAB) | {"decoder_input_ids": plain("t5/target", 5, VOCAB)["input_ids"]}
    folder.add("t5", transformers.T5ForConditionalGeneration, t5_file(folder, "t5", uniform(Type.Q8_0)), inputs)
    blocks(folder)
    folder.finish(files=folder.files)
