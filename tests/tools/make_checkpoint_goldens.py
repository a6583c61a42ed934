"""Writes tests/data/checkpoint: files made by the reference packages and what they must read as.

Needs numpy, gguf 0.19.0, llama-cpp-python 0.3.36 and safetensors 0.8.0. Run from the repository root.
"""

import json
import pathlib

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from safetensors import TensorSpec, serialize_file
from safetensors.numpy import save_file

DATA = pathlib.Path("tests/data/checkpoint")
QUANTS = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K F16 BF16".split()
READ_ONLY = "IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4".split()
EXACT = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0".split()  # the package writes these
# Where the halves (scales, minimums) of a block lie.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64]}


def random_blocks(name, rng):
    """Random bits everywhere; scales finite, of every magnitude, subnormal and zero included."""
    kind = GGMLQuantizationType[name]
    elements, size = GGML_QUANT_SIZES[kind]
    count = {1: 96, 32: 24, 256: 6}[elements]
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in HALVES.get(name, []):
        scales = (rng.standard_normal(count) * 10.0 ** rng.integers(-7, 3, count)).astype(np.float16)
        scales[0], scales[1] = 0.0, 6e-8
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(count, 2)
    if name == "MXFP4":
        blocks[:, 0] = rng.integers(0, 253, count)  # the largest exponents give infinities
        blocks[:3, 0] = 0, 1, 2
    if name in ("F16", "BF16"):
        words = blocks.view(np.uint16)
        exponent = 0x7C00 if name == "F16" else 0x7F80
        words[(words & exponent) == exponent] = exponent  # infinities, no NaN
    return kind, blocks


def write_quants():
    """<type>.bin: the blocks, then the float32 values that the gguf package expands them to."""
    folder = DATA / "quants"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    for name in QUANTS + READ_ONLY:
        kind, blocks = random_blocks(name, rng)
        expected = gguf.quants.dequantize(blocks.reshape(1, -1), kind).astype(np.float32)
        file = {"F16": "float16", "BF16": "bfloat16"}.get(name, name.lower())
        (folder / f"{file}.bin").write_bytes(blocks.tobytes() + expected.tobytes())


def rows_to_quantize():
    """Rows of 256: normal, one-sided, with outliers, constant, tiny, zero, large."""
    rng = np.random.default_rng(13)
    rows = rng.standard_normal((12, 256)).astype(np.float32) * np.float32(0.05)
    rows[1] = np.abs(rows[1])
    rows[2] = -np.abs(rows[2])
    rows[3, ::37] *= 60
    rows[4] = 0.125
    rows[5] = 0
    rows[6] *= np.float32(1e-7)
    rows[7] *= np.float32(1e5)
    rows[8] = rng.uniform(-1, 1, 256).astype(np.float32)
    rows[9] = np.round(rows[9] * 100) / np.float32(8)  # many ties
    rows[10, 100:] = 0
    rows[11] = np.cumsum(rows[11])
    return rows


def write_quantized():
    """quantize/rows.bin, and for each type what the gguf package makes of them (EXACT), or the squared error of ggml's
    own quantiser, row by row (K types; by the library that llama-cpp-python brings)."""
    import ctypes

    import llama_cpp

    folder = DATA / "quantize"
    folder.mkdir(parents=True, exist_ok=True)
    rows = rows_to_quantize()
    (folder / "rows.bin").write_bytes(rows.tobytes())
    for name in EXACT:
        (folder / f"{name.lower()}.bin").write_bytes(gguf.quants.quantize(rows, GGMLQuantizationType[name]).tobytes())
    ggml = ctypes.CDLL(str(pathlib.Path(llama_cpp.__file__).parent / "lib/libggml-base.so"))
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * 3,
                                         ctypes.c_void_p]
    errors = {}
    for name in ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"):
        kind = GGMLQuantizationType[name]
        blocks = np.zeros((len(rows), GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
        ggml.ggml_quantize_chunk(int(kind), rows.ctypes.data, blocks.ctypes.data, 0, len(rows), 256, None)
        difference = gguf.quants.dequantize(blocks, kind).astype(np.float64) - rows
        errors[name.lower()] = [float(e) for e in (difference**2).sum(axis=1)]
    (folder / "errors.json").write_text(json.dumps(errors, indent=1) + "\n")


def write_safetensors():
    """One tensor per dtype, names that need escapes, a scalar, an empty tensor; a file without metadata."""
    sizes = {"bool": 1, "uint8": 1, "int8": 1, "float8_e5m2": 1, "float8_e4m3fn": 1, "int16": 2, "uint16": 2,
             "float16": 2, "bfloat16": 2, "int32": 4, "uint32": 4, "float32": 4, "complex64": 8, "float64": 8,
             "int64": 8, "uint64": 8}
    parts = {}
    for index, (name, size) in enumerate(sizes.items()):
        data = bytes(i % 2 if name == "bool" else (index * 37 + i * 11) % 256 for i in range(6 * size))
        parts[f"t.{name}"] = name, [2, 3], data
    parts["b.float32"] = "float32", [], b"\x00\x00\x80\x3f"
    parts["a.float32"] = "float32", [0, 4], b""
    parts['"quote" \\ \n\x01 \u00e9\u20ac\U0001f600/\x7f'] = "uint8", [1], b"\x2a"
    arrays = {name: np.frombuffer(data, dtype=np.uint8) for name, (_, _, data) in parts.items()}
    tensors = {name: TensorSpec(dtype=dtype, shape=shape, data_ptr=arrays[name].ctypes.data, data_len=len(data))
               for name, (dtype, shape, data) in parts.items()}
    (DATA / "reference").mkdir(parents=True, exist_ok=True)
    serialize_file(tensors, str(DATA / "reference/all_dtypes.safetensors"), {"format": "pt"})
    save_file({"x": np.arange(12, dtype=np.float32).reshape(3, 4)}, DATA / "reference/no_metadata.safetensors")
    save_file({}, DATA / "reference/no_tensors.safetensors")


def write_gguf():
    """A small file by the gguf package: every value type, nested arrays, plain and quantised tensors."""
    path = DATA / "reference/small.gguf"
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_uint8("t.uint8", 255)
    writer.add_int8("t.int8", -128)
    writer.add_uint16("t.uint16", 65535)
    writer.add_int16("t.int16", -32768)
    writer.add_uint32("t.uint32", 2**32 - 1)
    writer.add_int32("t.int32", -(2**31))
    writer.add_uint64("t.uint64", 2**63)
    writer.add_int64("t.int64", -(2**63))
    writer.add_float32("t.float32", 1e-5)
    writer.add_float64("t.float64", 1e-5)
    writer.add_bool("t.bool", True)
    writer.add_string("t.string", "h\u00e9 \U0001f600")
    writer.add_array("t.ints", [1, -2, 3])
    writer.add_array("t.floats", [0.5, 1.5])
    writer.add_array("t.strings", ["a", "", "\u0120the"])
    writer.add_array("t.bools", [True, False])
    rng = np.random.default_rng(11)
    weights = rng.standard_normal((3, 64)).astype(np.float32)
    writer.add_tensor("plain.weight", weights)
    writer.add_tensor("half.weight", weights.astype(np.float16))
    for name in ("Q8_0", "Q4_0"):
        kind = GGMLQuantizationType[name]
        writer.add_tensor(f"{name.lower()}.weight", gguf.quants.quantize(weights, kind), raw_dtype=kind)
    writer.add_tensor("cube.weight", rng.integers(-9, 9, (2, 3, 4)).astype(np.int32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    reader = gguf.GGUFReader(str(path))
    rows = [{"name": t.name, "dtype": t.tensor_type.name.lower(), "shape": [int(d) for d in reversed(t.shape)],
             "offset": int(t.data_offset), "size_bytes": int(t.n_bytes)} for t in reader.tensors]
    (DATA / "reference/small.gguf.json").write_text(json.dumps(rows, indent=1) + "\n")


def write_corpus():
    """Starting points for tests/fuzz: whole files, and files that end where a reader must stop."""
    corpus = pathlib.Path("tests/fuzz/corpus")
    for kind, sources in {"safetensors": ["all_dtypes.safetensors", "no_metadata.safetensors", "no_tensors.safetensors"],
                          "gguf": ["small.gguf"]}.items():
        folder = corpus / kind
        folder.mkdir(parents=True, exist_ok=True)
        for source in sources:
            (folder / source).write_bytes((DATA / "reference" / source).read_bytes())
    entry = '"dtype":"U8","shape":[4],"data_offsets":'
    headers = {"overlap": f'{{"a":{{{entry}[0,4]}},"b":{{{entry}[2,6]}}}}', "gap": f'{{"a":{{{entry}[4,8]}}}}',
               "twice": f'{{"a":{{{entry}[0,4]}},"a":{{{entry}[4,8]}}}}', "deep": '{"a":' + "[" * 600}
    for name, header in headers.items():
        data = len(header).to_bytes(8, "little") + header.encode() + bytes(8)
        (corpus / "safetensors" / name).write_bytes(data)
    (corpus / "safetensors/long_header").write_bytes(b"\xff" * 8 + b"{}")
    start = b"GGUF\x03\0\0\0"
    lists = (b"\x01\0\0\0\0\0\0\0k" + b"\x09\0\0\0") + (b"\x09\0\0\0" + b"\x01" + bytes(7)) * 9
    files = {"many_tensors": b"\xff" * 8 + bytes(8), "many_pairs": bytes(8) + b"\xff" * 8,
             "nested_lists": bytes(8) + b"\x01" + bytes(7) + lists}
    for name, rest in files.items():
        (corpus / "gguf" / name).write_bytes(start + rest)
    folder = corpus / "dequantize"
    folder.mkdir(parents=True, exist_ok=True)
    # First byte: the enumerator of DataType.
    for number, name in zip([*range(16, 26), 7, 8, *range(26, 31)], QUANTS + READ_ONLY):
        elements, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
        file = {"F16": "float16", "BF16": "bfloat16"}.get(name, name.lower())
        blocks = (DATA / "quants" / f"{file}.bin").read_bytes()[:size * max(1, 64 // elements)]
        (folder / file).write_bytes(bytes([number, 0]) + blocks)
    folder = corpus / "quantize"
    folder.mkdir(parents=True, exist_ok=True)
    rows = (DATA / "quantize/rows.bin").read_bytes()
    for number, name in zip([*range(16, 26), 7, 8], QUANTS):
        (folder / name.lower()).write_bytes(bytes([number, 0]) + rows[number % 12 * 1024:][:1024])


if __name__ == "__main__":
    write_quants()
    write_quantized()
    write_safetensors()
    write_gguf()
    write_corpus()
    for written in DATA.rglob("*"):
        written.chmod(0o755 if written.is_dir() else 0o644)
