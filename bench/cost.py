#!/usr/bin/env python3
"""What a million rows cost: rows per hour and core for each task at MIO's full size, from what was measured, by arithmetic.

    python3 bench/cost.py [--comparison bench/comparison.json] [--cores 1000] [--rows 1000000]

Speeds of the language model are those of a file of compare.py (batches of 16 rows, prefill of 512 tokens); those of sound and
images stand below, from the table "Sound and images" in README.md. What a row is, is said beside it: put in your own.
"""

import argparse
import json
import statistics

CORES = 2              # of the machine that all of this was measured on
SOUND_ENCODED, IMAGES_SEEN, ROWS_DRAWN, IMAGES_DECODED = 30.0, 1.23, 0.37, 0.15    # per second, both cores
EVALUATIONS, ROWS_PER_EVALUATION = 21, 2                                         # 20 steps of PLMS, with guidance
CONTENT_CODES = 50     # of a second of sound
BEAMS = 5              # MIO's, where it writes text about sound and images
PROMPT = 60            # tokens of a prompt's fixed words


def speed(results: list[dict], phase: str, size: int) -> float:
    values = [v for r in results if (r["program"], r["phase"], r["size"], r["threads"]) == ("mio-lite", phase, size, CORES)
              for v in r["values"]]
    return statistics.median(values)


def main() -> None:
    parser = argparse.ArgumentParser(description="What a million rows cost.")
    parser.add_argument("--comparison", default="bench/comparison.json")
    parser.add_argument("--cores", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with open(arguments.comparison) as file:
        results = json.load(file)["results"]
    read, written = speed(results, "prefill", 512), speed(results, "batch", 16)
    second_of_speech = speed(results, "long", 16)

    def text(tokens_read: float, tokens_written: float, beams: int = 1) -> float:
        return (PROMPT + tokens_read) / read + beams * tokens_written / written

    image = EVALUATIONS * ROWS_PER_EVALUATION / ROWS_DRAWN + 1 / IMAGES_DECODED
    tasks = [
        ("chat: 200 tokens read, 150 written", text(200, 150)),
        ("asr: 10 s of sound, 40 tokens written", 10 / SOUND_ENCODED + text(10 * CONTENT_CODES, 40, BEAMS)),
        ("tts: 10 s of speech", 10 * second_of_speech),
        ("describe: an image, 60 tokens written", 1 / IMAGES_SEEN + text(32, 60, BEAMS)),
        ("imagine: 768 pixels, 20 steps", text(30, 32, BEAMS) + image),
        ("edit: the same of an image", 1 / IMAGES_SEEN + text(60, 32, BEAMS) + image),
    ]
    print(f"| row | core seconds | rows an hour and core | {arguments.rows:,} rows on {arguments.cores:,} cores |\n| --- | --- | --- | --- |")
    for name, seconds in tasks:
        cost = CORES * seconds
        hours = cost * arguments.rows / arguments.cores / 3600
        print(f"| {name} | {cost:.1f} | {3600 / cost:.3g} | {hours:.3g} h |")


if __name__ == "__main__":
    main()
