#!/usr/bin/env python3
"""Measures what 4 and 8 bits cost: signal-to-noise of mio-lite's weight types beside llama.cpp's, on the same weights.

    python3 bench/quantization.py --mio-lite .build/release/mio-lite --ggml LIBRARY

LIBRARY is libggml-base.so of llama.cpp (the Python package llama-cpp-python carries one in llama_cpp/lib). The weights are
made here: Gaussian, heavy-tailed, and Gaussian with a few strong columns, as trained projections have. mio-lite converts
them as a checkpoint of one layer, so what is measured is what lies in a file. Needs NumPy.
"""
import argparse
import ctypes
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "format-spec" / "reader"))
import mio_reader  # noqa: E402

WIDTH, INNER = 1024, 2816
GGML_TYPES = {"Q4_0": (2, 4.5), "IQ4_NL": (20, 4.5), "Q4_K": (12, 4.5), "Q8_0": (8, 8.5)}  # number, bits per weight


def kinds(rng, rows, columns):
    gaussian = rng.standard_normal((rows, columns))
    strong = gaussian.copy()
    strong[:, rng.choice(columns, columns // 64, replace=False)] *= 8
    heavy = rng.standard_t(4, (rows, columns))
    return {"Gaussian": gaussian, "heavy tails (Student t, 4)": heavy, "strong columns (1 in 64, x8)": strong}


def write_checkpoint(folder, down):
    """One layer whose `down_proj` is the matrix under test; everything else is small noise."""
    rng = np.random.default_rng(0)
    tensors = {"model.embed_tokens.weight": (64, WIDTH), "model.norm.weight": (WIDTH,), "lm_head.weight": (64, WIDTH)}
    layer = "model.layers.0."
    for name, shape in {
        "input_layernorm": (WIDTH,), "post_attention_layernorm": (WIDTH,), "self_attn.q_proj": (WIDTH, WIDTH),
        "self_attn.k_proj": (WIDTH, WIDTH), "self_attn.v_proj": (WIDTH, WIDTH), "self_attn.o_proj": (WIDTH, WIDTH),
        "mlp.gate_proj": (INNER, WIDTH), "mlp.up_proj": (INNER, WIDTH),
    }.items():
        tensors[layer + name + ".weight"] = shape
    arrays = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in tensors.items()}
    arrays[layer + "mlp.down_proj.weight"] = down
    header, offset, data = {}, 0, b""
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
        data += array.tobytes()
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": 1, "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": 64,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "max_position_embeddings": 64, "hidden_act": "silu",
        "tie_word_embeddings": False}))


def mio_values(program, folder, quantization):
    path = folder / f"{quantization}.mio"
    subprocess.run([program, "convert", folder, "-o", path, "--quantize", quantization, "-q"], check=True)
    file = mio_reader.MioFile(str(path))
    tensor = next(t for t in file.tensors if t["name"].endswith("mlp.down_proj.weight"))
    rows, columns = tensor["shape"]
    panels, groups = -(-rows // 16), -(-columns // 32)
    data = np.frombuffer(file.read(tensor["offset"], tensor["length"]), np.uint8).reshape(panels, -1)
    quanta_size = groups * (512 if quantization == "q8" else 256)
    scales = data[:, quanta_size:].copy().view(np.float16).reshape(panels, groups, 16).astype(np.float32)
    if quantization == "q8":  # [panel, group, k / 4, row, k % 4]
        quanta = data[:, :quanta_size].view(np.int8).reshape(panels, groups, 8, 16, 4).transpose(0, 3, 1, 2, 4)
        quanta = quanta.reshape(panels, 16, groups, 32).astype(np.float32)
    else:
        levels = np.array(mio_reader.Q4_LEVELS, np.float32)
        packed = data[:, :quanta_size].reshape(panels, groups, 4, 16, 4).transpose(0, 3, 1, 2, 4)
        packed = packed.reshape(panels, 16, groups, 16)
        quanta = np.concatenate([levels[packed & 15], levels[packed >> 4]], axis=3)
    values = quanta * scales.transpose(0, 2, 1)[..., None]
    return values.reshape(panels * 16, groups * 32)[:rows, :columns]


class FloatTraits(ctypes.Structure):
    _fields_ = [("type_name", ctypes.c_char_p), ("blck_size", ctypes.c_int64), ("blck_size_interleave", ctypes.c_int64),
                ("type_size", ctypes.c_size_t), ("is_quantized", ctypes.c_bool), ("to_float", ctypes.c_void_p),
                ("from_float_ref", ctypes.c_void_p)]


def ggml_values(library, number, weights):
    library.ggml_get_type_traits.restype = ctypes.POINTER(FloatTraits)
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_row_size.restype = ctypes.c_size_t
    rows, columns = weights.shape
    target = np.empty(rows * library.ggml_row_size(number, ctypes.c_int64(columns)), np.uint8)
    library.ggml_quantize_chunk(
        number, weights.ctypes.data_as(ctypes.c_void_p), target.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(0),
        ctypes.c_int64(rows), ctypes.c_int64(columns), None)
    back = np.empty_like(weights)
    to_float = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(
        library.ggml_get_type_traits(number).contents.to_float)
    to_float(target.ctypes.data, back.ctypes.data, weights.size)
    return back


def decibels(weights, back):
    return 10 * np.log10(np.sum(weights.astype(np.float64) ** 2) / np.sum((weights.astype(np.float64) - back) ** 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mio-lite", required=True)
    parser.add_argument("--ggml")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    library = ctypes.CDLL(arguments.ggml) if arguments.ggml else None
    matrices = kinds(np.random.default_rng(arguments.seed), WIDTH, INNER)
    columns = ["q4", "q8"] + (list(GGML_TYPES) if library else [])
    print("signal-to-noise in dB, higher is better (bits per weight: q4 and Q4_0, IQ4_NL, Q4_K 4.5; q8 and Q8_0 8.5)\n")
    print("| weights | " + " | ".join(columns) + " |\n| --- |" + " --- |" * len(columns))
    for name, matrix in matrices.items():
        matrix = np.ascontiguousarray(matrix * 0.02, np.float32)
        with tempfile.TemporaryDirectory() as folder:
            write_checkpoint(Path(folder), matrix)
            row = [decibels(matrix, mio_values(arguments.mio_lite, Path(folder), q)) for q in ("q4", "q8")]
        if library:
            row += [decibels(matrix, ggml_values(library, number, matrix)) for number, _ in GGML_TYPES.values()]
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in row) + " |")


if __name__ == "__main__":
    main()
