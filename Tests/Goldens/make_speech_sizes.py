#!/usr/bin/env python3
"""Writes small SpeechTokenizer checkpoints of unusual sizes, and what the reference computes with them.

    uneven: 24 kHz, strides 4 3 2, one-directional LSTM of one layer, two residual blocks per stage with dilations 1 and 3
            and five taps, ELU; tensors named by the older weight norm (weight_g, weight_v)
    dense:  strides 5 4, three LSTM layers in both directions, three residual blocks with dilations 1, 2 and 4, Snake;
            tensors named by the newer weight norm (parametrizations.weight.original0, original1)

Needs what make_speech_oracle.py needs. Seed 7, torch 2.13.0 on a CPU.

    python make_speech_sizes.py --out speech-sizes
"""
import argparse, json, math, os

import torch
from safetensors.torch import save_file
from speechtokenizer import SpeechTokenizer

from make_speech_oracle import test_wave

SETS = {
    "uneven": (
        dict(n_filters=4, strides=[4, 3, 2], dimension=12, semantic_dimension=12, bidirectional=False, dilation_base=3,
             residual_kernel_size=5, n_residual_layers=2, lstm_layers=1, activation="ELU", codebook_size=64, n_q=5,
             sample_rate=24000),
        [1, 2, 5, 23, 24, 25, 100, 3333], False),
    "dense": (
        dict(n_filters=6, strides=[5, 4], dimension=10, semantic_dimension=6, bidirectional=True, dilation_base=2,
             residual_kernel_size=3, n_residual_layers=3, lstm_layers=3, activation="Snake", codebook_size=100, n_q=4,
             sample_rate=16000),
        [1, 3, 19, 20, 21, 2222], True),
}
DECODED_FRAMES = [1, 2, 3, 17]


def random_codec(config, g):
    model = SpeechTokenizer(config).eval()
    tensors = model.state_dict()
    for name, t in tensors.items():
        if name.endswith("weight_v"):
            t.copy_(torch.randn(t.shape, generator=g))
        elif name.endswith("weight_g"):
            t.copy_((2.0 if "convtr" in name else 1.3) * (0.7 + 0.6 * torch.rand(t.shape, generator=g)))
        elif "lstm" in name:
            t.copy_((torch.rand(t.shape, generator=g) * 2 - 1) * (1.5 / math.sqrt(t.shape[-1] if t.dim() > 1 else 16)))
        elif name.endswith("bias") or name.startswith("transform"):
            t.copy_(0.2 * torch.randn(t.shape, generator=g))
        elif name.endswith("alpha"):
            t.copy_(0.3 + 1.5 * torch.rand(t.shape, generator=g))
        elif name.endswith("inited"):
            t.fill_(1.0)
    model.load_state_dict(tensors)
    # Codebooks in the range of what they quantize, shrinking level by level; samples about 0.2 rms.
    features = model.encoder(test_wave(16000, g)[None, None])[0].T
    mean, deviation = features.mean(0), features.std(0) + 1e-3
    for level in range(config["n_q"]):
        words = torch.randn(config["codebook_size"], config["dimension"], generator=g) * deviation * 0.75 ** level
        tensors[f"quantizer.vq.layers.{level}._codebook.embed"].copy_(words + (mean if level == 0 else 0))
    model.load_state_dict(tensors)
    wave = model.decode(torch.randint(0, config["codebook_size"], (4, 1, 30), generator=g))
    gain = tensors[f"decoder.model.{len(model.decoder.model) - 1}.conv.conv.weight_g"]
    gain.mul_(0.2 / float((wave - wave.mean()).pow(2).mean().sqrt()))
    model.load_state_dict(tensors)
    return model


def expected(model, config, lengths, g):
    t = {}
    for n in lengths:
        wave = test_wave(n, g)
        codes = model.encode(wave[None, None])[:, 0]
        t[f"enc{n}/wave"] = wave
        t[f"enc{n}/features"] = model.encoder(wave[None, None])[0]
        t[f"enc{n}/codes"] = codes.to(torch.int32)
    for frames in DECODED_FRAMES:
        codes = torch.randint(0, config["codebook_size"], (4, frames), generator=g)
        t[f"dec{frames}/codes"] = codes.to(torch.int32)
        t[f"dec{frames}/quantized"] = model.quantizer.decode(codes[:, None])[0]
        t[f"dec{frames}/wave"] = model.decode(codes[:, None])[0, 0]
    return {name: x.contiguous() for name, x in t.items()}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", required=True)
    out = arguments.parse_args().out
    for name, (config, lengths, newer_names) in SETS.items():
        g = torch.Generator().manual_seed(7)
        folder = os.path.join(out, name)
        os.makedirs(os.path.join(folder, "SpeechTokenizer"), exist_ok=True)
        with torch.no_grad():
            model = random_codec(config, g)
            save_file(expected(model, config, lengths, g), os.path.join(folder, "expected.safetensors"))
        tensors = model.state_dict()
        if newer_names:
            tensors = {k.replace("weight_g", "parametrizations.weight.original0")
                        .replace("weight_v", "parametrizations.weight.original1"): v for k, v in tensors.items()}
        with open(os.path.join(folder, "SpeechTokenizer", "config.json"), "w") as f:
            json.dump(config, f, indent=1)
        torch.save(tensors, os.path.join(folder, "SpeechTokenizer", "SpeechTokenizer.pt"))


if __name__ == "__main__":
    main()
