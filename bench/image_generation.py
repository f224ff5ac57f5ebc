#!/usr/bin/env python3
"""What faster drawing does to the image: the mean difference, in levels of 255, to 20 steps of PLMS.

    pip install pillow numpy
    python bench/image_generation.py --mio-lite .build/release/mio-lite -m F.mio

Without -m it packs the small whole checkpoint of the tests. Prints a table, and the share of network evaluations of each row.
"""
import argparse
import os
import subprocess
import tempfile

import numpy as np
from PIL import Image

GOLDENS = os.path.join(os.path.dirname(__file__), "..", "Tests", "Goldens")
ROWS = (
    [("plms", n, 1) for n in (5, 10, 15, 20, 50)]
    + [(sampler, n, 1) for sampler in ("dpm++2m", "unipc") for n in (5, 8, 10, 15, 20)]
    + [("plms", 20, reuse) for reuse in (2, 3, 4)]
)
INNER = 0.54  # share of an evaluation that the inner blocks take, by the multiplications of MIO's U-Net at 768 pixels


def small_model(mio, folder):
    checkpoint = os.path.join(folder, "checkpoint")
    os.mkdir(checkpoint)
    for part in ("speech", "image"):
        source = os.path.abspath(os.path.join(GOLDENS, part, "tiny-mio"))
        for name in os.listdir(source):
            os.symlink(os.path.join(source, name), os.path.join(checkpoint, name))
    path = os.path.join(folder, "small.mio")
    subprocess.run([mio, "convert", checkpoint, "-o", path, "--quantize", "f32", "-q"], check=True)
    return path


def cost(sampler, steps, reuse):
    """Evaluations of the whole network."""
    count = steps + (sampler == "plms")
    whole = -(-count // reuse)
    return whole + (count - whole) * (1 - INNER)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mio-lite", default=".build/release/mio-lite")
    parser.add_argument("-m", "--model")
    parser.add_argument("--prompt", default="a tree")
    parser.add_argument("--seeds", type=int, default=4)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or small_model(arguments.mio_lite, folder)

        def draw(sampler, steps, reuse, seed):
            path = os.path.join(folder, "image.png")
            options = ["--sampler", sampler, "--steps", str(steps), "--reuse", str(reuse), "--seed", str(seed)]
            command = [arguments.mio_lite, "imagine", arguments.prompt, "-o", path, "-m", model, "-q", *options]
            subprocess.run(command, check=True)
            return np.asarray(Image.open(path)).astype(float)

        seeds = range(1, arguments.seeds + 1)
        exact = {seed: draw("plms", 20, 1, seed) for seed in seeds}
        print("| sampler | steps | reuse | work | levels |\n| --- | --- | --- | --- | --- |")
        for sampler, steps, reuse in ROWS:
            levels = [abs(draw(sampler, steps, reuse, seed) - exact[seed]).mean() for seed in seeds]
            share = cost(sampler, steps, reuse) / cost("plms", 20, 1)
            spread = f"{np.mean(levels):.1f} ({min(levels):.1f} to {max(levels):.1f})" if max(levels) else "0"
            print(f"| {sampler} | {steps} | {reuse} | {100 * share:.0f} % | {spread} |", flush=True)


if __name__ == "__main__":
    main()
