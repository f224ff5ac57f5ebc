#!/usr/bin/env python3
"""Trains the small network of SpeechDetector.swift, which tells speech from what only comes and goes, and says what it is worth.

    python3 bench/speech_detector.py [--program .build/release/mio-lite] [--seed 2] [--noises FOLDER]

Speech: sentences spoken by flite (voices after five people), espeak-ng (ten voices, seven of English) and the demo model, clean, in
noise, in a room, over a telephone, and whispered (the voice's source replaced by noise). Noises: 47 kinds made here, from hiss to
birds. Every fourth noise and a quarter of the speech is held back. It prints the weights as they stand in the source, with
the share of stretches that are taken for speech; --noises only writes the noises as WAV files, to be given to `asr`.
Needs numpy, scipy and scikit-learn; flite and espeak-ng.
"""

import argparse
import random
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from scipy.signal import fftconvolve, lfilter

RATE, HOP = 16_000, 160
MEASURES = "pitch syllables tilt middle rise same jumps voiced turns change skew voiced-level length tilt-of-vowels".split()
LEAST = 0.3

# --- Sounds ---


def colored(rng, n, power):
    f = np.fft.rfftfreq(n, 1 / RATE)
    f[0] = f[1]
    x = np.fft.irfft(np.fft.rfft(rng.standard_normal(n)) * f ** (-power / 2), n)
    return x / np.std(x)


def band(x, low, high):
    s, f = np.fft.rfft(x), np.fft.rfftfreq(len(x), 1 / RATE)
    s[(f < low) | (f > high)] = 0
    y = np.fft.irfft(s, len(x))
    return y / (np.std(y) + 1e-9)


def swell(rng, n, hertz, depth):
    m = band(rng.standard_normal(n), 0, hertz)
    return np.exp(depth * m / np.std(m))


def tone(frequency, n, amplitudes):
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency, n)) / RATE
    return sum(a * np.sin(k * phase) for k, a in enumerate(amplitudes, 1))


def scattered(rng, n, per_second, make):
    """Sounds at random moments."""
    x = np.zeros(n)
    for _ in range(rng.poisson(per_second * n / RATE)):
        sound = make()[:n]
        start = rng.integers(0, max(1, n - len(sound)))
        x[start:start + len(sound)] += sound * rng.uniform(0.3, 1)
    return x / (np.std(x) + 1e-9)


def bursts(rng, n, per_second, seconds, low, high):
    def make():
        m = max(64, int(seconds * RATE * rng.uniform(0.5, 1.5)))
        return band(rng.standard_normal(m), low, high) * np.exp(-4 * np.arange(m) / m)
    return scattered(rng, n, per_second, make)


def melody(rng, n, per_second, kind):
    x, position = np.zeros(n + 3 * RATE), 0
    while position < n:
        seconds = rng.choice([0.5, 1, 1, 2]) / per_second
        m = int(1.5 * seconds * RATE)
        t = np.arange(m) / RATE
        shape = np.minimum(1, np.minimum(t, 1.5 * seconds - t) / 0.02) if kind == "organ" else np.minimum(1, t / 0.01) * np.exp(-3 * t)
        scale = [261.6, 293.7, 329.6, 349.2, 392, 440, 493.9, 523.3]
        x[position:position + m] += tone(rng.choice(scale), m, [1] if kind == "sine" else [k ** -1.5 for k in range(1, 8)]) * shape
        position += int(seconds * RATE)
    return x[:n]


def drums(rng, n):
    x = np.zeros(n + RATE)
    for beat, i in enumerate(range(0, n, RATE // 4)):
        m = np.arange(3000)
        if beat % 4 == 0:
            x[i:i + 3000] += 2 * np.sin(2 * np.pi * 60 * m / RATE * np.exp(-m / 4000)) * np.exp(-m / 800)
        if beat % 4 == 2:
            x[i:i + 3000] += rng.standard_normal(3000) * np.exp(-m / 600)
        x[i:i + 600] += 0.3 * band(rng.standard_normal(600), 5000, 8000) * np.exp(-m[:600] / 150)
    return x[:n]


def noises(seed):
    rng = np.random.default_rng(seed)
    n = int(RATE * rng.uniform(4, 9))
    t = np.arange(n) / RATE
    sounds = {f"noise of power {-p}": colored(rng, n, p) for p in (-2, -1, 0, 1, 1.5, 2)}
    for f in (50, 60):
        hum = tone(f, n, [1, 0.5, 0.7, 0.2, 0.3, 0.1, 0.1])
        sounds |= {f"hum {f}": hum, f"hum {f} and hiss": hum + 0.3 * colored(rng, n, 1)}
    sounds["clicks"] = bursts(rng, n, 3, 0.004, 500, 8000)
    sounds["typing"] = bursts(rng, n, 6, 0.03, 800, 6000) + 0.05 * colored(rng, n, 1)
    sounds["metronome"] = np.sin(2 * np.pi * 1000 * t) * np.exp(-(t % 0.5) * 200)
    sounds["wind"] = band(colored(rng, n, 1.5), 20, 1200) * swell(rng, n, 1, 0.6)
    sounds["gusts"] = band(colored(rng, n, 1), 100, 2500) * swell(rng, n, 2.5, 0.8)
    sounds["wind in the microphone"] = band(colored(rng, n, 2), 10, 400) * swell(rng, n, 6, 0.8)
    blades = tone(rng.uniform(80, 120), n, [1, 0.6, 0.4, 0.2])
    sounds["fan"] = colored(rng, n, 1) * (1 + 0.15 * np.sin(2 * np.pi * 12 * t)) + 0.5 * blades
    sounds["loose fan"] = (colored(rng, n, 1) + 0.6 * blades) * (1 + 0.6 * np.sin(2 * np.pi * 3 * t))
    traffic = 0.05 * colored(rng, n, 1.5)
    for _ in range(4):
        passing = np.exp(-(((t - rng.uniform(0, n / RATE)) / rng.uniform(0.4, 1.5)) ** 2))
        traffic = traffic + band(colored(rng, n, 1.2), 60, rng.uniform(800, 3000)) * passing * rng.uniform(0.3, 1)
    sounds["traffic"] = traffic
    sounds["engine"] = tone(60 + 20 * np.sin(2 * np.pi * 0.3 * t), n, [1 / k for k in range(1, 25)]) + 0.3 * colored(rng, n, 1)
    revs = np.abs(np.sin(2 * np.pi * 0.8 * t))
    sounds["motorbike"] = tone(80 + 60 * revs, n, [k ** -0.7 for k in range(1, 30)]) * (0.4 + revs)
    for kind, speed in (("piano", 3), ("organ", 2), ("sine", 4), ("piano", 5)):
        sounds[f"melody, {kind}, {speed}"] = melody(rng, n, speed, kind)
    sounds["chords"] = sum(melody(rng, n, 1, "piano") for _ in range(3))
    sounds["drums"] = drums(rng, n)
    sounds["a band"] = sum(x / np.std(x) for x in (sounds["drums"], sounds["chords"], sounds["melody, piano, 3"]))
    sounds["telephone"] = (tone(440, n, [1]) + tone(480, n, [1])) * (t % 3 < 1.5)
    sounds["warbling telephone"] = np.where((t * 16).astype(int) % 2 == 0, tone(1000, n, [1]), tone(1300, n, [1])) * (t % 2 < 1)
    sounds["siren"] = tone(700 + 400 * np.sin(2 * np.pi * 0.5 * t), n, [1, 0.4, 0.2])
    sounds["fast siren"] = tone(700 + 400 * np.sin(2 * np.pi * 3 * t), n, [1, 0.4, 0.2])
    sounds["beeps"] = tone(2000, n, [1]) * (t % 1 < 0.15)

    def chirp():
        m = int(rng.uniform(0.05, 0.2) * RATE)
        return tone(np.linspace(rng.uniform(2500, 5500), rng.uniform(2500, 5500), m), m, [1]) * np.hanning(m)

    def bark():
        m = int(rng.uniform(0.1, 0.25) * RATE)
        glide = np.linspace(rng.uniform(300, 700), rng.uniform(250, 400), m)
        return (tone(glide, m, [1 / k for k in range(1, 12)]) + 0.5 * rng.standard_normal(m)) * np.hanning(m)

    sounds["birds"] = scattered(rng, n, 4, chirp) + 0.01 * colored(rng, n, 1)
    sounds["barks"] = scattered(rng, n, 1.2, bark) + 0.005 * colored(rng, n, 1)
    sounds["rain"] = bursts(rng, n, 400, 0.003, 1000, 8000) + 0.3 * colored(rng, n, 0)
    sounds["applause"] = bursts(rng, n, 60, 0.01, 500, 5000)
    sounds["steps"] = bursts(rng, n, 2, 0.06, 60, 1500)
    sounds["knocks"] = bursts(rng, n, 3, 0.03, 100, 900)
    sounds["rustle"] = band(rng.standard_normal(n), 1500, 7500) * swell(rng, n, 8, 1)
    sounds["breath"] = band(colored(rng, n, 1), 300, 5000) * np.clip(np.sin(2 * np.pi * 0.35 * t), 0, None) ** 2
    key = (t * 4).astype(int)
    low, high = rng.choice([697, 770, 852, 941], key[-1] + 1), rng.choice([1209, 1336, 1477], key[-1] + 1)
    sounds["dialing"] = (np.sin(2 * np.pi * low[key] * t) + np.sin(2 * np.pi * high[key] * t)) * (t * 4 % 1 < 0.6)
    sounds["water"] = band(colored(rng, n, 0.5), 300, 6000) * swell(rng, n, 5, 0.3)
    saw = tone(110 + 5 * np.sin(2 * np.pi * t), n, [k ** -0.5 for k in range(1, 40)])
    sounds["chainsaw"] = saw * (1 + 0.3 * np.sin(2 * np.pi * 1.5 * t)) + 0.5 * colored(rng, n, 0)
    sounds["train"] = band(colored(rng, n, 1.2), 50, 2000) * (1 + 0.8 * (np.sin(2 * np.pi * 1.4 * t) > 0.8))
    sounds["hiss on and off"] = colored(rng, n, 0) * (t % 0.6 < 0.3)
    sounds["noise that beats"] = colored(rng, n, 1) * (1 + 0.95 * np.sin(2 * np.pi * 4 * t))
    return sounds


def at(x, decibels):
    return x / np.sqrt((x ** 2).mean() + 1e-12) * 10 ** (decibels / 20)


def read(path):
    with wave.open(str(path)) as file:
        x = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float) / 32768
        return x if file.getframerate() == RATE else np.interp(np.arange(0, len(x), file.getframerate() / RATE), np.arange(len(x)), x)


def write(path, x):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE)
        file.writeframes((np.clip(x, -1, 1) * 32767).astype("<i2").tobytes())


def sentence(rng):
    nouns = "cat dog bird fish horse house tree car book table window phone garden river road train boat morning letter mother".split()
    verbs, words = "see take find hear like want know watch carry open remember".split(), "big small old new red blue happy cold fast".split()
    a, b, v, w = rng.choice(nouns), rng.choice(nouns), rng.choice(verbs), rng.choice(words)
    return rng.choice([f"the {w} {a} is in the {b}", f"i {v} the {a} and the {b}", "yes", "stop", "good morning", "come here",
                       f"could you {v} the {w} {a} before the {b}, please? it was {rng.choice(words)}"])


def spoken(program, folder):
    rng, path = random.Random(3), folder / "said.wav"
    calls = [("flite", ["flite", "-voice", voice, "-t", None, "-o", path]) for voice in ("kal16", "awb", "rms", "slt", "kal")
             for _ in range(40)]
    calls += [("espeak", ["espeak-ng", "-v", voice, "-s", str(rng.choice([120, 150, 200])), "-w", path, None])
              for voice in ("en", "en-us", "en+f3", "en+m3", "en+f5", "de", "fr", "es", "en+croak", "en+klatt") for _ in range(12)]
    calls += [("demo", [program, "tts", None, "-q", "--seed", str(seed), "-o", path]) for seed in range(60)]
    for name, call in calls:
        subprocess.run([part or sentence(rng) for part in call], check=True, stdout=subprocess.DEVNULL)
        yield name, read(path)


def whispered(x, rng):
    y, window, source = np.zeros(len(x)), np.hanning(512), rng.standard_normal(len(x))
    for i in range(0, len(x) - 512, 128):
        cepstrum = np.fft.irfft(np.log(np.abs(np.fft.rfft(x[i:i + 512] * window)) + 1e-6))
        cepstrum[30:-29] = 0
        envelope = np.exp(np.fft.rfft(cepstrum).real)
        y[i:i + 512] += np.fft.irfft(np.fft.rfft(source[i:i + 512] * window) * envelope) * window
    return 0.6 * high_pass(y, 500) + 0.4 * y


# --- What the program measures: VoiceActivity.swift and SpeechDetector.swift ---


def high_pass(x, corner):
    k = np.tan(np.pi * corner / RATE)
    n = 1 / (1 + k * 2 ** 0.5 + k * k)
    return lfilter([n, -2 * n, n], [1, 2 * (k * k - 1) * n, (1 - k * 2 ** 0.5 + k * k) * n], x)


def frames(x):
    """Level, periodicity, lag, and levels of three bands of every 10 ms."""
    n = len(x) // HOP
    y = high_pass(x, 90)

    def power(z):
        return (z[:n * HOP].reshape(n, HOP) ** 2).mean(1)

    def db(p):
        return 10 * np.log10(p + 1e-14)

    whole, upper, high = power(y), power(high_pass(y, 700)), power(high_pass(y, 2500))
    low, middle = np.maximum(whole - upper, 1e-10 * whole), np.maximum(upper - high, 1e-10 * upper)
    z = y[:len(y) // 4 * 4].reshape(-1, 4).mean(1)
    z = z - 0.5 * np.concatenate([[0], z[:-1]])
    window, longest = 160, 64
    z = np.concatenate([np.zeros(window), z, np.zeros(window + longest + 50)])
    part = z[(np.arange(n) * 40 - 60 + window)[:, None] + np.arange(window + longest)]
    energy, sums = (part[:, :window] ** 2).sum(1), np.concatenate([np.zeros((n, 1)), np.cumsum(part ** 2, 1)], 1)
    best, lag = np.zeros(n), np.zeros(n)
    for step in range(10, longest):
        shifted = np.maximum(sums[:, step + window] - sums[:, step], 0)
        value = (part[:, :window] * part[:, step:step + window]).sum(1) / np.sqrt(energy * shifted + 1e-30)
        best, lag = np.where(value > best, value, best), np.where(value > best, step, lag)
    return np.maximum(db(whole), -100), np.where(energy > 1e-14 * window, np.minimum(best, 1), 0), lag, db(low), db(middle), db(high)


def stretches(x):
    """Sound that stands out and is not steady, cut at pauses and after four seconds."""
    all_frames = frames(x)
    level = all_frames[0]
    n = len(level)
    smooth = np.array([level[max(0, i - 2):i + 1].mean() for i in range(n)])
    heard = np.zeros(n, bool)
    for i in range(n):
        near = smooth[max(0, i - 150):i + 151]
        heard[i] = level[i] > max(near.min() + 8, near.max() - 42, -95)
    for i in range(35, n - 35):
        heard[i] &= level[i - 35:i + 35].std() >= 3
    start = end = None
    for i in range(n + 31):
        if i < n and heard[i]:
            start, end = (i if start is None else start), i + 1
        if start is not None and (i - end >= 30 or end - start >= 400 or i >= n + 30):
            if heard[start:end].sum() >= 8:
                yield [values[start:end] for values in all_frames], heard[start:end]
            start = None


def measures(stretch):
    (level, periodicity, lag, low, middle, high), heard = stretch
    levels, n = np.sort(level[heard]), heard.sum()
    tilt, voiced = np.sort((low - high)[heard]), periodicity > 0.5
    pairs = voiced[1:] & voiced[:-1]
    step = np.abs(np.diff(lag))[pairs]
    enough = pairs.sum() > 2
    changes = np.diff(level)
    both = changes[heard[1:] & heard[:-1]]
    both = both if len(both) else np.zeros(1)
    slow = np.diff(level[:len(level) // 5 * 5].reshape(-1, 5).mean(1))
    return [
        np.sort(periodicity[heard])[::-1][:max(3, n // 5)].mean(), levels[n * 4 // 5] - levels[n // 5], tilt.mean(),
        (middle - low)[heard].mean(), max(changes.max(initial=0), 0), (step < 0.5).mean() if enough else 0.5,
        (step / np.maximum(lag[1:][pairs], 1) > 0.2).mean() if enough else 0.5, voiced.sum() / n,
        (np.sign(slow[1:]) * np.sign(slow[:-1]) < 0).mean() if len(slow) > 2 else 0.5, np.abs(both).mean(),
        ((both - both.mean()) ** 3).mean() / (both.std() ** 3 + 1e-6), level[voiced].mean() - level[heard].mean() if voiced.any() else 0,
        min(n, 300) / 100, tilt[n * 9 // 10]]


# --- Training ---


def examples(program):
    rng = np.random.default_rng(5)
    rows = []

    def add(x, is_speech, name, is_held):
        rows.extend((measures(stretch), is_speech, name, is_held) for stretch in stretches(np.clip(x, -1, 1)))

    with tempfile.TemporaryDirectory() as folder:
        for index, (_, x) in enumerate(spoken(program, Path(folder))):
            held = index * 7919 % 11 < 3
            x = np.pad(at(x, -23), [int(rng.uniform(0.05, 0.5) * RATE)] * 2)
            x = x + at(rng.standard_normal(len(x)), rng.uniform(-75, -55))
            add(x, 1, "clean", held)
            add(x + at(colored(rng, len(x), rng.choice([0, 1, 1.5, 2])), -23 - rng.choice([20, 12, 8])), 1, "in noise", held)
            if index % 2 == 0:
                room = rng.standard_normal(4000) * np.exp(-np.arange(4000) / rng.uniform(300, 1200))
                room[0] = 8
                add(at(fftconvolve(x, room)[:len(x)], -23), 1, "in a room", held)
            else:
                add(at(whispered(x, rng), -30) + at(rng.standard_normal(len(x)), -72), 1, "whispered", held)
            if index % 3 == 0:
                add(at(band(x, 300, 3400), -23), 1, "telephone", held)
    for seed in range(10, 34):
        for name, x in noises(seed).items():
            add(at(x, rng.choice([-45, -30, -20])) + at(rng.standard_normal(len(x)), -70) * (rng.random() < 0.5), 0, name, seed % 4 == 0)
    return [np.array(column) for column in zip(*rows)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=".build/release/mio-lite")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--noises", type=Path)
    arguments = parser.parse_args()
    if arguments.noises:
        arguments.noises.mkdir(exist_ok=True)
        for name, x in noises(arguments.seed).items():
            write(arguments.noises / f"{name.replace(' ', '-')}.wav", at(x, -20))
        return
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler
    x, y, names, held = examples(arguments.program)
    rule = (x[:, 0] > 0.3) & (x[:, 1] > 5) | (x[:, 0] > 0.6) & (x[:, 1] > 4.5)

    def fit(rows):
        scale = StandardScaler().fit(x[rows])
        network = MLPClassifier((8,), alpha=2, max_iter=1500, random_state=arguments.seed).fit(scale.transform(x[rows]), y[rows])
        return scale, network

    scale, network = fit(~held)
    taken = rule & (network.predict_proba(scale.transform(x))[:, 1] > LEAST)
    for name in sorted(set(names)):
        rows = held & (names == name)
        print(f"{name:28} {100 * taken[rows].mean() if rows.any() else 0:5.1f} % of {rows.sum()}")
    scale, network = fit(np.ones(len(y), bool))
    weights = network.coefs_[0].T / scale.scale_
    for row, bias, output in zip(weights, network.intercepts_[0] - weights @ scale.mean_, network.coefs_[1][:, 0]):
        print(f"    ([{', '.join(f'{value:.4g}' for value in row)}], {bias:.3f}, {output:.3f}),")
    print(f"bias {network.intercepts_[1][0]:.3f}; measures: {', '.join(MEASURES)}")


if __name__ == "__main__":
    main()
