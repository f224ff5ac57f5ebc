#!/usr/bin/env python3
"""Times the U-Net and the image decoder of stable-diffusion.cpp, and mio-lite's in turns with it.

    python3 bench/peers/make_sd.py -o sd21.safetensors
    python3 bench/peers/sd_images.py --sd PATH/sd-cli -m sd21.safetensors unet --size 512 --type f16 --options=--diffusion-fa
    python3 bench/peers/sd_images.py --sd PATH/sd-cli -m sd21.safetensors vae --size 512 --mio F.mio

A row of the U-Net is timed from one step of the sampler to the next, so that loading, the text and the first step's buffers
do not count; the program is ended behind the last step. Two rows are a step with guidance, one is a step without.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile
import time

STEP = re.compile(r"(\d+)/(\d+) - [\d.]+(?:s/it|it/s)")
DECODED = re.compile(r"latent 1 decoded, taking ([\d.]+)s")
BUFFER = re.compile(r"(unet|vae) compute buffer size: ([\d.]+) MB")


def sd(arguments):
    """Rates, peak resident bytes, and the megabytes of buffers that the program reports."""
    network = arguments.what == "unet"
    steps = arguments.steps + 1 if network else 1
    command = [
        arguments.sd, "-m", arguments.model, "-p", "a lighthouse at dusk", "-W", str(arguments.size), "-H", str(arguments.size),
        "--steps", str(steps), "--cfg-scale", "7" if network and arguments.rows == 2 else "1", "--sampling-method", "euler",
        "--prediction", "v", "--type", arguments.type, "-t", str(arguments.threads), "-v", *arguments.options.split()]
    times, buffers, line = [], {}, ""
    with tempfile.TemporaryDirectory() as folder:
        child = subprocess.Popen(
            [*command, "-o", os.path.join(folder, "image.png")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while data := os.read(child.stdout.fileno(), 1 << 16):
            now = time.perf_counter()
            *lines, line = re.split(r"[\r\n]", line + data.decode(errors="replace"))
            for text in [*lines, line]:
                if found := BUFFER.search(text):
                    buffers[found[1]] = float(found[2])
                if network and (found := STEP.search(text)) and int(found[2]) == steps and int(found[1]) == len(times) + 1:
                    times.append(now)
                if not network and (found := DECODED.search(text)):
                    times = [float(found[1])]
            if len(times) == (steps if network else 1):
                break
        child.kill()
        _, _, usage = os.wait4(child.pid, 0)
    if network:
        times = [b - a for a, b in zip(times, times[1:])]
    if not times:
        raise SystemExit(f"{arguments.sd} was not heard to finish; run it by hand: {' '.join(command)}")
    rows = arguments.rows if network else 1
    return [rows / seconds for seconds in times], usage.ru_maxrss * 1024, buffers


def mio(arguments):
    output = subprocess.run(
        [arguments.mio_lite, "bench", "-m", arguments.mio, "--threads", str(arguments.threads), "--json", "-q",
         "--phases", arguments.what, "--size", str(arguments.size), "--repetitions", str(arguments.repetitions)],
        check=True, capture_output=True, text=True).stdout
    report = json.loads(output)
    rate = report["results"][0]["tokens_per_second"]
    return [rate["min"], rate["median"], rate["max"]], report["peak_rss_bytes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["unet", "vae"])
    parser.add_argument("--sd", required=True, help="sd-cli of stable-diffusion.cpp")
    parser.add_argument("-m", "--model", required=True, help="from make_sd.py")
    parser.add_argument("--type", default="f16", help="f32, f16, q8_0")
    parser.add_argument("--options", default="", help="more options of sd-cli: --diffusion-fa, --vae-tiling")
    parser.add_argument("--rows", type=int, choices=[1, 2], default=2)
    parser.add_argument("--steps", type=int, default=1, help="steps to time, behind a first one")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--mio-lite", default=".build/release/mio-lite")
    parser.add_argument("--mio", help="a packed model, to take turns with")
    parser.add_argument("--repetitions", type=int, default=1, help="of mio-lite in a round")
    arguments = parser.parse_args()
    rates = {"stable-diffusion.cpp": [], "mio-lite": []}
    for _ in range(arguments.rounds):
        found, peak, buffers = sd(arguments)
        rates["stable-diffusion.cpp"] += found
        notes = f"peak {peak / 1e6:.0f} MB, buffers " + ", ".join(f"{name} {size:.0f} MB" for name, size in buffers.items())
        print(f"stable-diffusion.cpp: {', '.join(f'{r:.4f}' for r in found)}; {notes}", flush=True)
        if arguments.mio:
            found, peak = mio(arguments)
            rates["mio-lite"] += found
            print(f"mio-lite: {', '.join(f'{r:.4f}' for r in found)}; peak {peak / 1e6:.0f} MB", flush=True)
    setting = f"{arguments.what} {arguments.size} px, {arguments.type} {arguments.options}".strip()
    medians = {name: statistics.median(values) for name, values in rates.items() if values}
    text = [f"{name} {medians[name]:.4f} ({min(rates[name]):.4f} - {max(rates[name]):.4f})" for name in medians]
    ratio = f", ratio {medians['mio-lite'] / medians['stable-diffusion.cpp']:.2f}" if arguments.mio else ""
    print(f"{setting}, per second, median (min - max): {', '.join(text)}{ratio}")


if __name__ == "__main__":
    main()
