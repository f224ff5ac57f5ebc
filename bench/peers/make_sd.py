#!/usr/bin/env python3
"""Writes a Stable Diffusion 2.1 checkpoint of random weights, so that stable-diffusion.cpp can be timed at full size.

    python3 bench/peers/make_sd.py -o sd21.safetensors          # 2.5 GB, f16

U-Net, image decoder and text encoder, in the names of the original checkpoint; the image encoder, which drawing never
runs, is left out. Only NumPy is needed, and never more than one tensor is in memory.
"""
import argparse
import json
import math
import struct

import numpy as np

WIDTH, STAGES, BLOCKS, TEXT, TIME = 320, (1, 2, 4, 4), 2, 1024, 1280
DECODER, DECODER_BLOCKS, LATENT = (128, 256, 512, 512), 3, 4
TEXT_LAYERS, WORDS, POSITIONS = 24, 49408, 77


def weights(name, *shape, bias=True):
    yield name + ".weight", shape
    if bias:
        yield name + ".bias", shape[:1]


def norm(name, channels):
    return weights(name, channels)


def conv(name, inputs, outputs, window=3):
    return weights(name, outputs, inputs, window, window)


def residual(name, inputs, outputs):
    yield from norm(name + ".in_layers.0", inputs)
    yield from conv(name + ".in_layers.2", inputs, outputs)
    yield from weights(name + ".emb_layers.1", outputs, TIME)
    yield from norm(name + ".out_layers.0", outputs)
    yield from conv(name + ".out_layers.3", outputs, outputs)
    if inputs != outputs:
        yield from conv(name + ".skip_connection", inputs, outputs, 1)


def transformer(name, width):
    yield from norm(name + ".norm", width)
    yield from weights(name + ".proj_in", width, width)
    inner = name + ".transformer_blocks.0"
    for attention, context in (("attn1", width), ("attn2", TEXT)):
        yield from weights(f"{inner}.{attention}.to_q", width, width, bias=False)
        yield from weights(f"{inner}.{attention}.to_k", width, context, bias=False)
        yield from weights(f"{inner}.{attention}.to_v", width, context, bias=False)
        yield from weights(f"{inner}.{attention}.to_out.0", width, width)
    yield from weights(inner + ".ff.net.0.proj", 8 * width, width)
    yield from weights(inner + ".ff.net.2", width, 4 * width)
    for index in (1, 2, 3):
        yield from norm(f"{inner}.norm{index}", width)
    yield from weights(name + ".proj_out", width, width)


def unet():
    root = "model.diffusion_model."
    yield from weights(root + "time_embed.0", TIME, WIDTH)
    yield from weights(root + "time_embed.2", TIME, TIME)
    yield from conv(root + "input_blocks.0.0", LATENT, WIDTH)
    width, skips, index, last = WIDTH, [WIDTH], 0, len(STAGES) - 1
    for stage, factor in enumerate(STAGES):
        for _ in range(BLOCKS):
            index += 1
            yield from residual(f"{root}input_blocks.{index}.0", width, factor * WIDTH)
            width = factor * WIDTH
            if stage != last:
                yield from transformer(f"{root}input_blocks.{index}.1", width)
            skips.append(width)
        if stage != last:
            index += 1
            yield from conv(f"{root}input_blocks.{index}.0.op", width, width)
            skips.append(width)
    yield from residual(root + "middle_block.0", width, width)
    yield from transformer(root + "middle_block.1", width)
    yield from residual(root + "middle_block.2", width, width)
    index = 0
    for stage in reversed(range(len(STAGES))):
        for block in range(BLOCKS + 1):
            name = f"{root}output_blocks.{index}"
            yield from residual(name + ".0", width + skips.pop(), STAGES[stage] * WIDTH)
            width = STAGES[stage] * WIDTH
            if stage != last:
                yield from transformer(name + ".1", width)
            if stage and block == BLOCKS:
                yield from conv(f"{name}.{1 if stage == last else 2}.conv", width, width)
            index += 1
    yield from norm(root + "out.0", width)
    yield from conv(root + "out.2", width, LATENT)


def decoder_block(name, inputs, outputs):
    yield from norm(name + ".norm1", inputs)
    yield from conv(name + ".conv1", inputs, outputs)
    yield from norm(name + ".norm2", outputs)
    yield from conv(name + ".conv2", outputs, outputs)
    if inputs != outputs:
        yield from conv(name + ".nin_shortcut", inputs, outputs, 1)


def decoder():
    root, width = "first_stage_model.decoder.", DECODER[-1]
    yield from conv("first_stage_model.post_quant_conv", LATENT, LATENT, 1)
    yield from conv(root + "conv_in", LATENT, width)
    yield from decoder_block(root + "mid.block_1", width, width)
    yield from norm(root + "mid.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        yield from conv(root + "mid.attn_1." + part, width, width, 1)
    yield from decoder_block(root + "mid.block_2", width, width)
    for stage in reversed(range(len(DECODER))):
        for block in range(DECODER_BLOCKS):
            yield from decoder_block(f"{root}up.{stage}.block.{block}", width, DECODER[stage])
            width = DECODER[stage]
        if stage:
            yield from conv(f"{root}up.{stage}.upsample.conv", width, width)
    yield from norm(root + "norm_out", width)
    yield from conv(root + "conv_out", width, 3)


def text_encoder():
    root = "cond_stage_model.model."
    yield root + "token_embedding.weight", (WORDS, TEXT)
    yield root + "positional_embedding", (POSITIONS, TEXT)
    for layer in range(TEXT_LAYERS):
        name = f"{root}transformer.resblocks.{layer}."
        yield name + "attn.in_proj_weight", (3 * TEXT, TEXT)
        yield name + "attn.in_proj_bias", (3 * TEXT,)
        yield from weights(name + "attn.out_proj", TEXT, TEXT)
        yield from norm(name + "ln_1", TEXT)
        yield from norm(name + "ln_2", TEXT)
        yield from weights(name + "mlp.c_fc", 4 * TEXT, TEXT)
        yield from weights(name + "mlp.c_proj", TEXT, 4 * TEXT)
    yield from norm(root + "ln_final", TEXT)
    yield root + "text_projection", (TEXT, TEXT)


def values(rng, name, shape):
    """Gains of one, biases of zero, and matrices that keep the size of what they multiply."""
    if len(shape) == 1:
        return np.full(shape, 0 if name.endswith("bias") else 1, np.float16)
    scale = 0.02 if "embedding" in name else 1 / math.sqrt(math.prod(shape[1:]))
    return (rng.standard_normal(shape, np.float32) * np.float32(scale)).astype(np.float16)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    tensors = [*unet(), *decoder(), *text_encoder()]
    header, offset = {}, 0
    for name, shape in tensors:
        end = offset + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(arguments.seed)
    with open(arguments.output, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            file.write(values(rng, name, shape).tobytes())
    network = sum(math.prod(shape) for name, shape in tensors if name.startswith("model."))
    print(f"{arguments.output}: {len(tensors)} tensors, {network / 1e6:.1f} million weights in the U-Net, {offset / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
