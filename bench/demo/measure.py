#!/usr/bin/env python3
"""Measures what the demo model is to reach, on texts it was not trained on, as mio-lite itself speaks and writes.

    python3 bench/demo/measure.py [--model FILE.mio] [--mio-lite PROGRAM] [--count N] [--sets ...] [--takes N]
                                  [-o FILE.json]
    python3 bench/demo/measure.py --checkpoint DIR      # f32, q8 and q4 of one checkpoint, side by side

Every text is spoken with the file's own settings. An independent listener (listener.py) hears it and, as the measure of
what can be reached, the original voice (flite, rms). mio-lite then transcribes both. Prints a table and writes JSON.
Needs flite and the packages pocketsphinx, numpy and soundfile. `texts.json` holds the texts: `everyday` was trained on;
`phrase` and `sentence` are new texts of known words, `newword` words that no training text has.
"""

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from listener import Listener, spoken_seconds, word_errors, words

REPORT = re.compile(r"([\d.]+) s of speech in ([\d.]+) s.*first sound after ([\d.]+) s")
FORMATS = ["f32", "q8", "q4"]


class Program:
    def __init__(self, path: str, model: str | None, seed: str, takes: str | None):
        self.path, self.seed = path, seed
        self.model = ["-m", model] if model else []
        self.takes = ["--takes", takes] if takes else []

    def speak(self, text: str, path: Path) -> tuple[float, float, float, bool]:
        """Seconds of speech, of work and to the first sound; whether the speech was cut off."""
        options = [*self.model, *self.takes, "--seed", self.seed, "-o", str(path)]
        done = subprocess.run([self.path, "tts", text, *options], check=True, capture_output=True, text=True)
        speech, work, first = map(float, REPORT.search(done.stderr).groups())
        return speech, work, first, "cut short" in done.stderr

    def transcribe(self, paths: list[Path]) -> list[str]:
        done = subprocess.run([self.path, "asr", "--json", "-q", *self.model, *map(str, paths)], check=True,
                              capture_output=True, text=True)
        decoder, texts, rest = json.JSONDecoder(), [], done.stdout.strip()
        while rest:
            value, end = decoder.raw_decode(rest)
            texts.append(value["text"])
            rest = rest[end:].strip()
        return texts


def measure(program: Program, texts: list[str], folder: Path) -> dict:
    """Figures of one set of texts."""
    listener = Listener(texts)
    heard, lengths, costs, paths = {"original": 0, "model": 0}, [], [], {"original": [], "model": []}
    missed, ends = [], []
    for i, text in enumerate(texts):
        for voice in paths:
            paths[voice].append(folder / f"{voice}{i}.wav")
        subprocess.run(["flite", "-voice", "rms", "-t", text, "-o", paths["original"][-1]], check=True)
        *cost, cut = program.speak(text, paths["model"][-1])
        costs.append(cost)
        original, model = (soundfile.read(paths[voice][-1], dtype="float32")[0] for voice in ("original", "model"))
        heard["original"] += listener.hear(original) == text
        answer = listener.hear(model)
        heard["model"] += answer == text
        if answer != text:
            missed.append(f"{text} -> {answer or '-'}")
        lengths.append(spoken_seconds(model) / spoken_seconds(original))
        if cut or not 0.6 < lengths[-1] < 1.6:
            ends.append(f"{text} ({lengths[-1]:.2f})")
    written = {voice: program.transcribe(paths[voice]) for voice in paths}
    count = sum(len(words(text)) for text in texts)
    errors = {voice: sum(map(word_errors, texts, written[voice])) / count for voice in paths}
    speech, work, first = np.array(costs).T
    within = np.abs(np.array(lengths) - 1) <= 0.15
    return {
        "texts": len(texts), "listener, original voice": heard["original"], "listener, model": heard["model"],
        "listener, relative": heard["model"] / heard["original"],
        "length, median ratio": float(np.median(lengths)), "length, share within 15 %": float(within.mean()),
        "length, mean ratio": float(np.mean(lengths)),
        "repeats or cut-offs": len(ends), "WER, original voice": errors["original"], "WER, own voice": errors["model"],
        "real time factor": float(work.sum() / speech.sum()), "first sound, median s": float(np.median(first)),
        "first sound, slowest s": float(first.max()),
        "missed": missed, "odd lengths": ends,
        "examples": list(zip(texts, written["original"], written["model"]))[:12],
    }


def run(arguments, model: str | None) -> dict:
    sets = json.loads(Path(__file__).with_name("texts.json").read_text())
    program = Program(arguments.mio_lite, model, arguments.seed, arguments.takes)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.sets:
            results[name] = measure(program, sets[name][:arguments.count], Path(folder))
    return results


def table(columns: dict[str, dict]) -> str:
    """A markdown table with a column per result."""
    lines = ["| | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    for key, value in next(iter(columns.values())).items():
        if isinstance(value, (int, float)):
            cells = [f"{c[key]:.3f}" if isinstance(c[key], float) else str(c[key]) for c in columns.values()]
            lines.append(f"| {key} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="default: the demo model that is shipped")
    parser.add_argument("--checkpoint", help="convert it to f32, q8 and q4 and measure each")
    parser.add_argument("--mio-lite", default=".build/release/mio-lite")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--takes", help="readings of every text, of which one is kept; default: the file's own number")
    parser.add_argument("--count", type=int, default=200, help="texts of each set at most")
    parser.add_argument("--sets", nargs="+", default=["everyday", "phrase", "sentence", "newword"])
    parser.add_argument("-o", "--output", help="JSON file")
    arguments = parser.parse_args()
    if arguments.checkpoint:
        columns = {}
        with tempfile.TemporaryDirectory() as folder:
            for name in FORMATS:
                path = f"{folder}/{name}.mio"
                subprocess.run([arguments.mio_lite, "convert", arguments.checkpoint, "-o", path, "--quantize", name,
                                "-q"], check=True)
                columns |= {f"{key} {name}": value for key, value in run(arguments, path).items()}
    else:
        columns = run(arguments, arguments.model)
    print(table(columns))
    for name, result in columns.items():
        print(f"\n{name}, misheard: " + (", ".join(result["missed"]) or "none"))
    if arguments.output:
        Path(arguments.output).write_text(json.dumps(columns, indent=1) + "\n")


if __name__ == "__main__":
    main()
