#!/usr/bin/env python3
"""Writes a GGUF file of random weights in the shapes of MIO's backbone, so that llama.cpp can be timed on the same work.

    python3 bench/peers/make_gguf.py --type q4_0 -o random-q4_0.gguf

Matrices get the given type, the head q6_k (as llama.cpp's own quantizer does under q4_0) or the same type under q8_0.
Only NumPy is needed, and sentencepiece for --tokenizer; the layout follows ggml's docs/gguf.md (version 3).
"""
import argparse
import struct

import numpy as np

U32, I32, F32, STRING, ARRAY = 4, 5, 6, 8, 9
TYPES = {"f32": (0, 1, 4), "q4_0": (2, 32, 18), "q8_0": (8, 32, 34), "q6_k": (14, 256, 210)}  # id, block, bytes
ALIGNMENT = 32


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    body = string(value) if kind == STRING else struct.pack("<I" if kind == U32 else "<f", value)
    return string(key) + struct.pack("<I", kind) + body


def entries(key, kind, values):
    pack = {STRING: string, F32: lambda v: struct.pack("<f", v), I32: lambda v: struct.pack("<i", v)}[kind]
    return string(key) + struct.pack("<IIQ", ARRAY, kind, len(values)) + b"".join(map(pack, values))


def tokenizer(path, rows):
    """The keys of a sentencepiece model; rows without a piece get names of their own."""
    if not path:
        return [entry("tokenizer.ggml.model", STRING, "none")]
    from sentencepiece import SentencePieceProcessor

    model = SentencePieceProcessor(model_file=path)
    count = len(model)
    kinds = [2 if model.IsUnknown(i) else 3 if model.IsControl(i) else 6 if model.IsByte(i) else 1 for i in range(count)]
    return [
        entry("tokenizer.ggml.model", STRING, "llama"),
        entries("tokenizer.ggml.tokens", STRING, [*map(model.IdToPiece, range(count)), *(f"<row{i}>" for i in range(count, rows))]),
        entries("tokenizer.ggml.scores", F32, [*map(model.GetScore, range(count)), *[0.0] * (rows - count)]),
        entries("tokenizer.ggml.token_type", I32, kinds + [4] * (rows - count)),
        entry("tokenizer.ggml.bos_token_id", U32, 1), entry("tokenizer.ggml.eos_token_id", U32, 2),
    ]


def random_blocks(rng, kind, blocks):
    """Bytes of `blocks` blocks with scales that keep activations finite."""
    _, _, size = TYPES[kind]
    if kind == "f32":
        return np.ones(blocks, np.float32).tobytes()
    data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
    scale = np.frombuffer(np.float16(0.002).tobytes(), np.uint8)
    if kind == "q6_k":
        data[:, 192:208] = rng.integers(0, 16, (blocks, 16), dtype=np.uint8)
        data[:, 208:210] = scale
    else:
        data[:, 0:2] = scale
    return data.tobytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--type", choices=["q4_0", "q8_0"], default="q4_0")
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--inner", type=int, default=11008)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--kv-heads", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=76292)
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokenizer", help="sentencepiece model, so that text can be asked for")
    a = parser.parse_args()
    kv = a.width // a.heads * a.kv_heads
    head = "q6_k" if a.type == "q4_0" and a.width % 256 == 0 else a.type
    tensors = [("token_embd.weight", [a.width, a.vocabulary], a.type)]
    for i in range(a.layers):
        for name, columns, rows in [
            ("attn_q", a.width, a.width), ("attn_k", a.width, kv), ("attn_v", a.width, kv),
            ("attn_output", a.width, a.width), ("ffn_gate", a.width, a.inner), ("ffn_up", a.width, a.inner),
            ("ffn_down", a.inner, a.width),
        ]:
            tensors.append((f"blk.{i}.{name}.weight", [columns, rows], a.type))
        tensors += [(f"blk.{i}.{name}.weight", [a.width], "f32") for name in ("attn_norm", "ffn_norm")]
    tensors += [("output_norm.weight", [a.width], "f32"), ("output.weight", [a.width, a.vocabulary], head)]

    keys = [
        entry("general.architecture", STRING, "llama"), entry("general.name", STRING, "random MIO shapes"),
        entry("llama.block_count", U32, a.layers), entry("llama.context_length", U32, a.context),
        entry("llama.embedding_length", U32, a.width), entry("llama.feed_forward_length", U32, a.inner),
        entry("llama.attention.head_count", U32, a.heads), entry("llama.attention.head_count_kv", U32, a.kv_heads),
        entry("llama.rope.dimension_count", U32, a.width // a.heads), entry("llama.rope.freq_base", F32, 5e6),
        entry("llama.attention.layer_norm_rms_epsilon", F32, 1e-5), entry("llama.vocab_size", U32, a.vocabulary),
        *tokenizer(a.tokenizer, a.vocabulary),
    ]
    offset, records = 0, []
    for name, shape, kind in tensors:
        number, block, size = TYPES[kind]
        records.append(string(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
                       + struct.pack("<IQ", number, offset))
        offset += -(-int(np.prod(shape)) // block * size // ALIGNMENT) * ALIGNMENT
    rng = np.random.default_rng(a.seed)
    with open(a.output, "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + b"".join(records))
        file.write(bytes(-file.tell() % ALIGNMENT))
        for name, shape, kind in tensors:
            number, block, size = TYPES[kind]
            blocks = int(np.prod(shape)) // block
            while blocks:
                part = min(blocks, 1 << 20)
                file.write(random_blocks(rng, kind, part))
                blocks -= part
            file.write(bytes(-file.tell() % ALIGNMENT))


if __name__ == "__main__":
    main()
