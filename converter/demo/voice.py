"""Stage `audio`: lets flite's voice `rms` (CMU, freely licensed) speak every text.

Writes `audio.npy` (int16, all utterances one after the other) and `audio.json` (per utterance: offset, length, and
the phones with their end in samples). `framed()` cuts an utterance the way the model sees it: one frame of silence,
the speech starting on a frame, silence up to a multiple of the bucket.
"""

import json
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 16_000
FRAME = 320            # samples per frame of the codec
BUCKET = 32            # frames; every utterance is padded to a multiple of it
GAIN = 1.6             # flite's voice peaks below 0.5
TAIL = 2 * FRAME       # sound kept after the last phone
PAUSE = "pau"


def speak(text: str, path: Path) -> tuple[np.ndarray, list]:
    """The samples and the phones [name, end in samples] of one utterance."""
    output = subprocess.run(["flite", "-voice", "rms", "-psdur", "-t", text, "-o", str(path)], check=True,
                            capture_output=True, text=True).stdout
    phones = []
    for item in output.split():
        name, end = item.rsplit(":", 1)
        phones.append([name, round(float(end) * SAMPLE_RATE)])
    samples, rate = soundfile.read(path, dtype="float32")
    if rate != SAMPLE_RATE:
        raise ValueError(f"flite gave {rate} Hz for {text!r}, expected {SAMPLE_RATE}; is voice rms installed?")
    samples = np.clip(samples * GAIN, -0.95, 0.95)
    return (samples * 32767).astype(np.int16), phones


def run(settings) -> None:
    texts = json.loads(settings.path("texts.json").read_text())
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(settings.processes) as pool:
        jobs = [pool.submit(speak, item["text"], Path(folder) / f"{i}.wav") for i, item in enumerate(texts)]
        records, parts, offset = [], [], 0
        for i, job in enumerate(jobs):
            samples, phones = job.result()
            (Path(folder) / f"{i}.wav").unlink()
            jobs[i] = None
            records.append({"offset": offset, "length": len(samples), "phones": phones})
            parts.append(samples)
            offset += len(samples)
    np.save(settings.path("audio.npy"), np.concatenate(parts))
    settings.path("audio.json").write_text(json.dumps(records))
    print(f"audio: {len(records)} utterances, {offset / SAMPLE_RATE / 3600:.2f} h")


class Corpus:
    """The spoken utterances of an output folder."""

    def __init__(self, settings):
        self.texts = json.loads(settings.path("texts.json").read_text())
        self.records = json.loads(settings.path("audio.json").read_text())
        self.samples = np.load(settings.path("audio.npy"), mmap_mode="r")
        names = {phone for record in self.records for phone, _ in record["phones"]} - {PAUSE}
        self.phones = sorted(names)

    def __len__(self) -> int:
        return len(self.records)

    def original(self, i: int) -> np.ndarray:
        """The utterance as flite spoke it, with its pauses."""
        record = self.records[i]
        part = self.samples[record["offset"]:record["offset"] + record["length"]]
        return part.astype(np.float32) / 32768

    def framed(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Samples [320 T] and phone class of each frame [T], T a multiple of the bucket.

        Class 0 is silence; each phone has three classes for its first, middle and last third, so that the class
        sequence also says how far a phone has got.
        """
        samples, phones = self.original(i), self.records[i]["phones"]
        first, last = 0, len(phones) - 1
        while phones[first][0] == PAUSE:
            first += 1
        while phones[last][0] == PAUSE:
            last -= 1
        start = phones[first - 1][1] if first > 0 else 0
        end = min(phones[last][1] + TAIL, len(samples))
        speech = samples[start:end].copy()
        fade = min(FRAME, len(speech))
        speech[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        frames = -(-(1 + -(-len(speech) // FRAME)) // BUCKET) * BUCKET
        framed = np.zeros(frames * FRAME, np.float32)
        framed[FRAME:FRAME + len(speech)] = speech

        classes = np.zeros(frames, np.int64)
        centres = (np.arange(frames) - 0.5) * FRAME + start
        begin = start
        for name, stop in phones[first:last + 1]:
            inside = (centres >= begin) & (centres < stop)
            if name != PAUSE:
                third = np.minimum((centres[inside] - begin) * 3 / (stop - begin), 2).astype(np.int64)
                classes[inside] = 1 + 3 * self.phones.index(name) + third
            begin = stop
        return framed, classes

    @property
    def class_count(self) -> int:
        return 1 + 3 * len(self.phones)

    def indices(self, *splits: str) -> list[int]:
        return [i for i, item in enumerate(self.texts) if item["split"] in splits]
