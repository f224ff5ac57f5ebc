#!/usr/bin/env python3
"""Measures what weight types cost a trained model: Kullback-Leibler divergence of its next-token distributions from f32.

    python3 bench/fidelity.py --mio-lite .build/release/mio-lite --checkpoint DIR --ggml LIBRARY

The model speaks some sentences in f32; every type then scores the same tokens. Rows marked "weights" hold the matrices as
that type gives them back, in an f32 file, so that types of other programs can stand beside ours; embeddings and head are
Q8_0 there, as they are q8 in ours. Rows marked "as run" are packed files with 8-bit activations, as users run them.
LIBRARY is libggml-base.so of llama.cpp (the Python package llama-cpp-python carries one in llama_cpp/lib). Needs NumPy and
safetensors.
"""
import argparse
import ctypes
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from quantization import GGML_TYPES, ggml_values

SENTENCES = ["The quick brown fox jumps over the lazy dog.", "Seven green apples are on the table.", "Good morning.",
             "My name is MIO.", "It will rain on Monday.", "She found a small red circle in the garden.",
             "How are you today?", "One, two, three, four, five."]
SUPERBLOCK = 256       # columns are padded with zeros to a multiple of the largest block
SPEAK = ("<|startoftext|><|im_start|>system\nYou are MIO, an AI assistant capable of understanding images, text, videos, and "
         "speech, and generating speech. Please respond to the user with speech only, starting with <spch> and ending "
         "with </spch>.<|im_end|>\n<|im_start|>user\nThe transcription is ``{}''. Please generate a speech according to "
         "the given transcription. Start with <spch>.<|im_end|>\n<|im_start|>assistant\n<spch>")


def run(*command):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


def with_types(tensors, library, number):
    """The tensors with every matrix quantized and brought back."""
    result = dict(tensors)
    for name, value in tensors.items():
        if value.ndim == 2:
            kind = number if ".layers." in name else GGML_TYPES["Q8_0"][0]
            padded = np.pad(value, ((0, 0), (0, -value.shape[1] % SUPERBLOCK)))
            result[name] = np.ascontiguousarray(ggml_values(library, kind, padded)[:, :value.shape[1]])
    return result


def language_only(checkpoint, tensors, folder):
    """A checkpoint of the tokenizer's files and these tensors, without the speech tokenizer."""
    folder.mkdir()
    for file in checkpoint.iterdir():
        if file.is_file() and file.suffix != ".safetensors" and not file.name.endswith(".index.json"):
            shutil.copy(file, folder)
    save_file(tensors, folder / "model.safetensors")
    return folder


class Judge:
    """Scores the same sequences with one file after the other."""

    def __init__(self, program, folder, reference):
        self.program, self.folder = program, folder
        self.sequences = [self.spoken(reference, text, seed) for seed, text in enumerate(SENTENCES)]
        self.expected = [self.scores(reference, i) for i in range(len(self.sequences))]

    def spoken(self, model, text, seed):
        prompt = json.loads(run(self.program, "tokenize", SPEAK.format(text), "-m", model, "--json"))["ids"]
        reply = json.loads(run(self.program, "generate", "--ids", ",".join(map(str, prompt)), "-m", model, "--json",
                               "--temperature", 0.8, "--top-p", 0.95, "--repetition-penalty", 1, "--beams", 1,
                               "--max-tokens", 700, "--seed", seed))["ids"]
        return prompt, reply

    def scores(self, model, index):
        """Log-probabilities of what follows each token of the reply but the last [T, V]."""
        prompt, reply = self.sequences[index]
        source, target = self.folder / "in.safetensors", self.folder / "out.safetensors"
        save_file({"ids": np.array(prompt + reply[:-1], np.int32)}, source)
        run(self.program, "trace", "backbone", "-i", source, "-o", target, "-m", model)
        logits = load_file(target)["logits"][len(prompt) - 1:].astype(np.float64)
        logits -= logits.max(1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(1, keepdims=True))

    def judge(self, model):
        """Mean divergence in nats and share of positions with the same most likely token."""
        divergence, same = [], []
        for i, expected in enumerate(self.expected):
            found = self.scores(model, i)
            divergence.append((np.exp(expected) * (expected - found)).sum(1))
            same.append(expected.argmax(1) == found.argmax(1))
        return np.concatenate(divergence), np.concatenate(same)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mio-lite", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--ggml")
    arguments = parser.parse_args()
    program = Path(arguments.mio_lite).resolve()
    tensors = {name: value.astype(np.float32)
               for path in arguments.checkpoint.glob("*.safetensors") for name, value in load_file(path).items()}
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)

        def packed(name, values, quantization):
            path = scratch / f"{name}.mio"
            source = language_only(arguments.checkpoint, values, scratch / name)
            run(program, "convert", source, "-o", path, "--quantize", quantization, "-q")
            return path

        judge = Judge(program, scratch, packed("f32", tensors, "f32"))
        rows = [(f"{kind}, as run", bits, packed(kind, tensors, kind)) for kind, bits in (("q4", 4.5), ("q8", 8.5))]
        if arguments.ggml:
            library = ctypes.CDLL(arguments.ggml)
            for name, (number, bits) in GGML_TYPES.items():
                rows.append((f"{name}, weights", bits, packed(name, with_types(tensors, library, number), "f32")))
        print("| type | bits per weight | divergence, nats | same first choice |\n| --- | --- | --- | --- |")
        for name, bits, model in rows:
            divergence, same = judge.judge(model)
            error = divergence.std() / len(divergence) ** 0.5
            print(f"| {name} | {bits:.2f} | {divergence.mean():.5f} ± {error:.5f} | {same.mean():.4f} |")
        print(f"\n{len(same)} tokens of {len(SENTENCES)} spoken sentences")


if __name__ == "__main__":
    main()
