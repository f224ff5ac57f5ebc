#!/usr/bin/env python3
"""Word errors of `asr` on what `tts` says, over levels, offsets, channels, pauses and noise.

    python3 bench/listening.py [--program .build/release/mio-lite] [--model F.mio] [--phrases 60]

Phrases of fixed texts and seeds are spoken once; those that come back word for word are changed as recordings are, and what
is written down of them is compared with the texts. Needs numpy.
"""

import argparse
import json
import random
import re
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np

NOUNS = "cat dog bird fish horse house tree car book table chair door window ball cup phone garden river road train boat".split()
WORDS = "big small old new good red green blue yellow happy sad hot cold fast slow beautiful".split()
PATTERNS = ["the {a} {n} is {b}", "i see a {a} {n}", "where is the {n}", "the {n} is in the {m}", "my {n} is {a}",
            "look at the {a} {n}", "do you like the {n}", "we have a {a} {n}", "good morning", "thank you very much"]
RATE = 16_000


def texts(count: int) -> list[str]:
    rng = random.Random(7)
    return [rng.choice(PATTERNS).format(a=rng.choice(WORDS), b=rng.choice(WORDS), n=rng.choice(NOUNS), m=rng.choice(NOUNS))
            for _ in range(count)]


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z' ]", " ", text.lower()).split()


def errors(wanted: list[str], heard: list[str]) -> int:
    """Words to change, to leave out and to add."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(wanted, 1):
        above, row[0] = row[:], i
        for j, other in enumerate(heard, 1):
            row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (word != other))
    return row[-1]


class Bench:
    def __init__(self, arguments, folder: Path):
        self.program, self.folder = arguments.program, folder
        self.options = ["-m", arguments.model] if arguments.model else []

    def speak(self, text: str, seed: int) -> np.ndarray:
        path = self.folder / "said.wav"
        subprocess.run([self.program, "tts", text, "--seed", str(seed), "-q", "-o", path, *self.options], check=True)
        with wave.open(str(path)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16) / np.float32(32768)

    def write(self, index: int, samples: np.ndarray) -> Path:
        """16-bit where it fits, else as floats in an integer's range."""
        from struct import pack
        path = self.folder / f"{index}.wav"
        frames = samples.astype("<f4")
        channels = 1 if frames.ndim == 1 else frames.shape[1]
        data = frames.tobytes()
        head = pack("<HHIIHH", 3, channels, RATE, RATE * 4 * channels, 4 * channels, 32)
        path.write_bytes(b"RIFF" + pack("<I", 36 + len(data)) + b"WAVEfmt " + pack("<I", 16) + head + b"data" + pack("<I", len(data))
                         + data)
        return path

    def hear(self, recordings: list[np.ndarray]) -> list[str]:
        heard = []
        for start in range(0, len(recordings), 40):
            paths = [self.write(index, samples) for index, samples in enumerate(recordings[start:start + 40])]
            result = subprocess.run([self.program, "asr", "-q", *paths, *self.options], check=True, capture_output=True, text=True)
            heard += result.stdout.split("\n")[:len(paths)]
        return heard

    def report(self, name: str, wanted: list[str], recordings: list[np.ndarray]) -> float:
        heard = self.hear(recordings)
        wrong = sum(errors(words(text), words(other)) for text, other in zip(wanted, heard))
        rate = wrong / max(1, sum(len(words(text)) for text in wanted))
        print(f"{name:28} {100 * rate:6.1f} %", flush=True)
        return rate


def changes(rng):
    """What recordings suffer: a name, and what becomes of the samples."""
    def db(value):
        return np.float32(10 ** (value / 20))

    def stacked(x, gains):
        return np.stack([x * np.float32(gain) for gain in gains], 1)

    for level in [0, -3, -6, -15, -30, -50, 6, 12]:
        yield f"level {level:+} dB", lambda x, level=level: x * db(level)
    for offset in [0.005, -0.005, 0.05, 0.3]:
        yield f"offset {offset:+}", lambda x, offset=offset: x + np.float32(offset)
    yield "opposite phase", lambda x: stacked(x, [1, -1])
    yield "left channel alone", lambda x: stacked(x, [1, 0])
    yield "5.1, center alone", lambda x: stacked(x, [0, 0, 1, 0, 0, 0])
    yield "floats in +-32767", lambda x: x * np.float32(32767)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=".build/release/mio-lite")
    parser.add_argument("--model")
    parser.add_argument("--phrases", type=int, default=60)
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(arguments, Path(folder))
        said = texts(arguments.phrases)
        speech = [bench.speak(text, 1000 + index) for index, text in enumerate(said)]
        bench.report("all phrases as spoken", said, speech)
        kept = [i for i, heard in enumerate(bench.hear(speech)) if words(heard) == words(said[i])]
        said, speech = [said[i] for i in kept], [speech[i] for i in kept]
        print(f"{len(kept)} phrases come back word for word; of these:")
        for name, change in changes(rng):
            bench.report(name, said, [change(x) for x in speech])
        for gap in [0.5, 0.7, 1, 1.5, 2, 4, 8]:
            pause = np.zeros(int(gap * RATE), np.float32)
            pairs = range(0, len(said) - 1, 2)
            bench.report(f"pause of {gap} s", [f"{said[i]} {said[i + 1]}" for i in pairs],
                         [np.concatenate([speech[i], pause, speech[i + 1]]) for i in pairs])
        sounds = [rng.standard_normal(4 * RATE).astype(np.float32) * 10 ** (level / 20) for level in (-70, -40, -20, -10)]
        sounds += [np.zeros(3 * RATE, np.float32)] + [np.full(n, 0.3, np.float32) for n in (1, 50, 320)]
        print(f"words in noise and silence:  {sum(bool(words(text)) for text in bench.hear(sounds))} of {len(sounds)} recordings")


if __name__ == "__main__":
    main()
