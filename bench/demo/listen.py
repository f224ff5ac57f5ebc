#!/usr/bin/env python3
"""Lets an independent listener judge a small model that speaks: pocketsphinx with its English model.

    python3 bench/demo/listen.py --model FILE.mio [--mio-lite PROGRAM] [--flite]

Every text is spoken by mio-lite with the file's own settings; the listener is told that one text of the list was said and
answers which. With --flite the original voice (flite, rms) is heard too, and mio-lite transcribes it. Needs the packages
pocketsphinx, numpy and soundfile.
"""
import argparse
import io
import subprocess
from pathlib import Path

import numpy as np
import pocketsphinx
import soundfile

NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
           "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"]
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
          "december"]
COLOURS = ["red", "green", "blue", "yellow", "orange", "purple", "black", "white", "brown", "grey"]
PHRASES = ["hello", "hello world", "good morning"]


class Listener:
    def __init__(self, texts):
        folder = Path(pocketsphinx.get_model_path()) / "en-us"
        self.decoder = pocketsphinx.Decoder(
            hmm=str(folder / "en-us"), dict=str(folder / "cmudict-en-us.dict"), lm=None, loglevel="FATAL")
        self.decoder.add_jsgf_string("texts", f"#JSGF V1.0; grammar g; public <text> = {' | '.join(texts)} ;")
        self.decoder.activate_search("texts")

    def hear(self, wave):
        silence = np.zeros(3200, np.float32)
        sound = np.concatenate([silence, wave, silence])
        sound = sound + np.random.default_rng(0).normal(0, 1e-4, len(sound))
        self.decoder.start_utt()
        self.decoder.process_raw((np.clip(sound, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
        self.decoder.end_utt()
        return self.decoder.hyp().hypstr if self.decoder.hyp() else ""


def output(*command):
    return subprocess.run(command, check=True, capture_output=True).stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--mio-lite", default=".build/release/mio-lite")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--flite", action="store_true")
    arguments = parser.parse_args()
    texts = NUMBERS + DAYS + MONTHS + COLOURS + PHRASES
    listener = Listener(texts)
    right, copied, original, missed, seconds = 0, 0, 0, [], 0.0
    for text in texts:
        sound = output(arguments.mio_lite, "tts", text, "-m", arguments.model, "--seed", arguments.seed, "--raw", "-q")
        wave = np.frombuffer(sound, np.int16).astype(np.float32) / 32768
        seconds += len(wave) / 16000
        heard = listener.hear(wave)
        right += heard == text
        if heard != text:
            missed.append(f"{text} -> {heard or '-'}")
        if arguments.flite:
            spoken = output("flite", "-voice", "rms", "-t", text, "-o", "/dev/stdout")
            original += listener.hear(soundfile.read(io.BytesIO(spoken), dtype="float32")[0]) == text
            command = [arguments.mio_lite, "asr", "-", "-m", arguments.model, "-q"]
            said = subprocess.run(command, input=spoken, check=True, capture_output=True).stdout.decode().strip()
            copied += said == text
    print(f"listener recognises mio-lite: {right} of {len(texts)}; {seconds:.1f} s of speech")
    if arguments.flite:
        print(f"listener recognises the original voice: {original} of {len(texts)}")
        print(f"mio-lite transcribes the original voice exactly: {copied} of {len(texts)}")
    print("missed: " + ", ".join(missed))


if __name__ == "__main__":
    main()
