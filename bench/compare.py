#!/usr/bin/env python3
"""Times mio-lite and llama.cpp on the same shapes in one run, turn by turn.

    python3 bench/compare.py --mio FILE.mio --gguf FILE.gguf --llama-bench PROGRAM [--threads 2] [--rounds 3]

FILE.mio is a converted full-size random checkpoint (bench/README.md says how to make one), FILE.gguf comes from
bench/peers/make_gguf.py. Every round runs both programs, so a slow minute of the machine hits both; what is printed is the
median of each, the spread, and the ratio of medians.
"""
import argparse
import json
import statistics
import subprocess


def mio(arguments):
    output = subprocess.run(
        [arguments.mio_lite, "bench", "-m", arguments.mio, "--threads", str(arguments.threads), "--json", "-q",
         "--phases", "prefill,decode", "--prefill", str(arguments.prefill), "--batch", "1", "--repetitions", "2"],
        check=True, capture_output=True, text=True).stdout
    report = json.loads(output)
    rates = {r["phase"]: r["tokens_per_second"]["median"] for r in report["results"]}
    return {"prefill": rates["prefill"], "decode": rates["decode"],
            "read GB/s": report["machine"][str(arguments.threads)]["read_gbps"],
            "peak GB": report["peak_rss_bytes"] / 1e9, "open ms": report["load_seconds"] * 1e3}


def llama(arguments):
    output = subprocess.run(
        [arguments.llama_bench, "-m", arguments.gguf, "-t", str(arguments.threads), "-p", str(arguments.prefill), "-n", "16",
         "-r", "2", "-o", "json"], check=True, capture_output=True, text=True).stdout
    rates = {"prefill" if r["n_gen"] == 0 else "decode": r["avg_ts"] for r in json.loads(output)}
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mio", required=True)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--llama-bench", required=True)
    parser.add_argument("--mio-lite", default=".build/release/mio-lite")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prefill", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        theirs.append(llama(arguments))
        ours.append(mio(arguments))

    def text(values):
        return f"{statistics.median(values):.2f} ({min(values):.2f} - {max(values):.2f})"

    print(f"{arguments.threads} thread(s), {arguments.rounds} rounds, tokens per second: median (min - max)\n")
    print("| phase | mio-lite | llama.cpp | ratio |\n| --- | --- | --- | --- |")
    for phase in ("prefill", "decode"):
        a, b = [r[phase] for r in ours], [r[phase] for r in theirs]
        print(f"| {phase} | {text(a)} | {text(b)} | {statistics.median(a) / statistics.median(b):.2f} |")
    for name in ("read GB/s", "open ms", "peak GB"):
        print(f"\nmio-lite, {name}: {text([r[name] for r in ours])}")


if __name__ == "__main__":
    main()
