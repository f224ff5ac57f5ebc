#!/usr/bin/env python3
"""Measures what the demo model sees and draws, on compositions it was not shown, as mio-lite itself draws and answers.

    python3 bench/demo/pictures.py [--model FILE.mio] [--mio-lite PROGRAM] [--count N] [--only KIND ...] [-o FILE.json]

Pictures are judged by OpenCV (scenes.py), answers against facts that hold by construction. Every request is made by a
command as a person would type it, with the settings of the file. The line `judge` says how often the judge itself is right, on
pictures that a program has drawn. Needs numpy, pillow and opencv-python-headless.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import scenes
from scenes import world

import teach  # noqa: E402  (beside world)

SEED = 2024


class Program:
    def __init__(self, path: str, model: str | None):
        self.path, self.model = path, ["-m", model] if model else []

    def run(self, *arguments: str) -> str:
        done = subprocess.run([self.path, *arguments, *self.model, "-q"], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"mio-lite {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()


class Judge:
    def __init__(self, program: Program, folder: Path, count: int):
        self.program, self.folder, self.count = program, folder, count
        self.missed: dict[str, list[str]] = {}

    def teacher(self, kind: str) -> teach.Teacher:
        return teach.Teacher(np.random.default_rng([SEED, *kind.encode()]), testing=True)

    def draw(self, codes, name: str = "scene.png") -> str:
        path = self.folder / name
        Image.fromarray(world.draw(codes)).save(path)
        return str(path)

    def share(self, kind: str, results) -> float:
        """Share of (right, remark) that are right; remarks of the others are kept."""
        results = list(results)
        self.missed[kind] = [remark for right, remark in results if not right]
        return sum(right for right, _ in results) / len(results)

    def drawn(self, *arguments: str) -> tuple[str, list[scenes.Thing]]:
        path = str(self.folder / "drawn.png")
        self.program.run(*arguments, "-o", path)
        return scenes.things(scenes.read(path))

    # What each line of the table counts.

    def judge(self):
        teacher = self.teacher("judge")
        for _ in range(4 * self.count):
            codes = teacher.scene(6)
            yield scenes.things(world.draw(codes)) == scenes.expected(codes), ""

    def imagine(self, kind: str):
        teacher, left = self.teacher(kind), self.count
        while left:
            words, codes = teacher.caption()
            counts = words.split()[0] in teach.NUMBERS
            placed = any(place in words for place in world.PLACES) or any(relation in words for relation in teach.RELATIONS)
            if kind == "count" and not counts or kind == "place" and not placed:
                continue
            left -= 1
            _, wanted = scenes.expected(codes)
            _, found = self.drawn("imagine", words)
            pairs = [[(t.shape, t.colour) for t in things] for things in (wanted, found)]
            if kind == "count":
                right = len(found) == len(wanted) and set(pairs[1]) <= set(pairs[0])
            elif kind == "place":
                right = all(thing in found for thing in wanted)
            else:
                right = all(pairs[1].count(pair) >= pairs[0].count(pair) for pair in pairs[0])
            yield right, f"{words} -> {found}"

    def describe(self):
        teacher = self.teacher("describe")
        for _ in range(self.count):
            codes = teacher.scene()
            answer = self.program.run("describe", self.draw(codes))
            yield facts(answer) == facts(teacher.describe(codes)), f"{teacher.describe(codes)} -> {answer}"

    def question(self, kind: str):
        teacher = self.teacher(kind)
        for _ in range(self.count):
            _, parts = teacher.question() if kind == "question" else teacher.chart()
            texts = [part for part, _ in parts if isinstance(part, str)]
            codes = next(part for part, _ in parts if not isinstance(part, str))
            words, wanted = texts[-2].strip(), texts[-1]
            answer = self.program.run("describe", self.draw(codes), words)
            yield plain(answer) == plain(wanted), f"{words} {wanted} -> {answer}"

    def round_trip(self):
        teacher = self.teacher("round trip")
        for _ in range(self.count):
            codes = teacher.scene()
            told = self.program.run("encode", self.draw(codes), "--json")
            (self.folder / "codes.txt").write_text(told + "\n")
            _, found = self.drawn("decode", str(self.folder / "codes.txt"))
            yield found == scenes.expected(codes)[1], f"{scenes.expected(codes)[1]} -> {found}"

    def edit(self):
        teacher = self.teacher("edit")
        for _ in range(self.count):
            _, parts = teacher.edit()
            before, after, words = parts[1][0], parts[3][0], parts[2][0].strip()
            ground, found = self.drawn("edit", self.draw(before), words)
            wanted = scenes.expected(after)
            right = found == wanted[1] and ("background" not in words or ground == wanted[0])
            yield right, f"{words}: {wanted} -> {ground, found}"

    def film(self):
        teacher = self.teacher("film")
        for _ in range(self.count):
            _, parts = teacher.film()
            words = parts[0][0][len(teach.v.FILM):].removesuffix("''")
            folder = self.folder / "film"
            for old in folder.glob("*"):
                old.unlink()
            self.program.run("film", words, "-o", str(folder))
            frames = [scenes.things(scenes.read(path))[1] for path in sorted(folder.glob("frame-*.png"))]
            yield frames == [scenes.expected(codes)[1] for codes, _ in parts[1:]], f"{words} -> {frames}"

    def watch(self):
        teacher = self.teacher("watch")
        for _ in range(self.count):
            name, verb, frames = teacher.motion()
            path = self.folder / "film.gif"
            first, *others = [Image.fromarray(world.draw(codes)) for codes in frames]
            first.save(path, save_all=True, append_images=others, duration=500)
            answer = self.program.run("describe", str(path))
            yield plain(answer) == plain(f"{name} {verb}"), f"{name} {verb} -> {answer}"

    def heard(self):
        """A question that the model itself says aloud."""
        teacher = self.teacher("heard")
        for _ in range(self.count):
            codes = teacher.scene()
            words, wanted = teacher.about(codes)
            sound = str(self.folder / "question.wav")
            self.program.run("tts", words, "-o", sound)
            answer = self.program.run("chat", "", "--image", self.draw(codes), "--audio", sound)
            yield plain(answer) == plain(wanted), f"{words} {wanted} -> {answer}"

    def examples(self):
        teacher = self.teacher("examples")
        for _ in range(self.count):
            _, parts = teacher.examples()
            given: list[str] = []
            for i, (part, _) in enumerate(parts[:-1]):
                given += ["--text", part] if isinstance(part, str) else ["--image", self.draw(part, f"{i}.png")]
            answer = self.program.run("chat", "--recipe", "in-context", *given)
            yield plain(answer) == plain(parts[-1][0]), f"{given[1::2]} {parts[-1][0]} -> {answer}"

    def reason(self):
        teacher = self.teacher("reason")
        for _ in range(self.count):
            _, parts = teacher.reason()
            words, wanted = parts[1][0].removesuffix(teach.v.REASON), parts[2][0]
            answer = self.program.run("chat", words, "--image", self.draw(parts[0][0]), "--recipe", "reasoning")
            yield plain(answer.split(":")[-1]) == plain(wanted.split(":")[-1]), f"{words} {wanted} -> {answer}"

    def told(self, *arguments: str) -> tuple[list[str], list[list[scenes.Thing]]]:
        """The words of an answer, and what its pictures show."""
        folder = self.folder / "told"
        for old in folder.glob("*"):
            old.unlink()
        parts = json.loads(self.program.run("chat", *arguments, "-o", str(folder), "--json"))["parts"]
        return ([part["text"].strip() for part in parts if part["type"] == "text"],
                [scenes.things(scenes.read(part["file"]))[1] for part in parts if part["type"] == "image"])

    def steps(self):
        teacher = self.teacher("steps")
        for _ in range(self.count):
            _, parts = teacher.steps()
            words = parts[1][0].removesuffix(teach.v.THINK_IN_IMAGES)
            _, shown = self.told(words, "--image", self.draw(parts[0][0]), "--recipe", "visual-thought")
            yield shown == [scenes.expected(parts[i][0])[1] for i in (3, 5)], f"{words} -> {shown}"

    def apart(self):
        teacher = self.teacher("apart")
        for _ in range(self.count):
            _, parts = teacher.apart()
            texts, shown = self.told(parts[1][0], "--image", self.draw(parts[0][0]), "--recipe", "interleaved")
            wanted = [part for part, _ in parts[2:]]
            right = texts == wanted[::2] and shown == [scenes.expected(codes)[1] for codes in wanted[1::2]]
            yield right, f"{wanted[::2]} -> {texts} {shown}"

    def story(self):
        teacher = self.teacher("story")
        for _ in range(self.count):
            _, parts = teacher.story()
            words = parts[0][0][len(teach.v.STORY):]
            folder = self.folder / "story"
            for old in folder.glob("*"):
                old.unlink()
            told = json.loads(self.program.run("story", words, "-o", str(folder), "--json"))
            yield self.is_told(told["parts"], folder), f"{words} -> {told}"

    def is_told(self, parts: list[dict], folder: Path) -> bool:
        """Whether text and pictures take turns, and each picture shows the things that the sentences before have left there."""
        if [part["type"] for part in parts] != ["text", "image"] * (len(parts) // 2) or len(parts) < 4:
            return False
        present: list[tuple[str, str]] = []
        for words, picture in zip(parts[::2], parts[1::2]):
            named = re.findall(rf"({'|'.join(world.COLOUR_NAMES)}) ({'|'.join(world.SHAPES)})", words["text"].lower())
            present += [(shape, colour) for colour, shape in named if (shape, colour) not in present]
            if match := re.match(rf"now the ({'|'.join(world.SHAPES)}) is alone", words["text"].strip().lower()):
                present = [thing for thing in present if thing[0] == match[1]]
            found = scenes.things(scenes.read(folder / picture["file"]))[1]
            if sorted(present) != sorted((thing.shape, thing.colour) for thing in found):
                return False
        return True


def plain(text: str) -> str:
    return re.sub(r"[^a-z0-9 ]", "", text.lower()).strip()


def facts(text: str) -> set[tuple[str, ...]]:
    """(colour, shape, place) of everything that a description names."""
    pattern = rf"({'|'.join(world.COLOUR_NAMES)}) ({'|'.join(world.SHAPES)}) ({'|'.join(sorted(world.PLACES, key=len)[::-1])})"
    return set(re.findall(pattern, text.lower()))


KINDS = {
    "judge": ("the judge itself, on pictures drawn by a program", lambda j: j.judge()),
    "colour": ("imagine: every named thing in its colour", lambda j: j.imagine("colour")),
    "place": ("imagine: in its place", lambda j: j.imagine("place")),
    "count": ("imagine: as many as said", lambda j: j.imagine("count")),
    "describe": ("describe: things, colours, places all right", lambda j: j.describe()),
    "question": ("questions: colour, count, where, is there", lambda j: j.question("question")),
    "chart": ("questions about bar charts", lambda j: j.question("chart")),
    "round trip": ("picture to codes to picture: things kept", lambda j: j.round_trip()),
    "edit": ("edit: change made, the rest kept", lambda j: j.edit()),
    "film": ("film: motion as told, same thing in all frames", lambda j: j.film()),
    "watch": ("describe a film: the thing and its motion", lambda j: j.watch()),
    "heard": ("questions that are spoken", lambda j: j.heard()),
    "examples": ("two examples, then a picture", lambda j: j.examples()),
    "reason": ("count by naming: the number", lambda j: j.reason()),
    "steps": ("two changes, a picture after each", lambda j: j.steps()),
    "apart": ("words and pictures in turns", lambda j: j.apart()),
    "story": ("story: alternating, pictures show what sentences say", lambda j: j.story()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what the demo model sees and draws.")
    parser.add_argument("--model")
    parser.add_argument("--mio-lite", default=str(Path(__file__).parents[2] / ".build/release/mio-lite"))
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--only", nargs="+", choices=KINDS)
    parser.add_argument("--missed", type=int, default=3, help="wrong ones that are shown of each kind")
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(Program(arguments.mio_lite, arguments.model), Path(folder), arguments.count)
        for kind in arguments.only or KINDS:
            title, results = KINDS[kind]
            begun = time.time()
            share = judge.share(kind, results(judge))
            figures[kind] = round(share, 3)
            print(f"{title:60} {100 * share:5.1f} %   {(time.time() - begun) / arguments.count:.2f} s each", flush=True)
            for remark in judge.missed[kind][:arguments.missed]:
                print(f"    {remark}", file=sys.stderr)
    if arguments.output:
        arguments.output.write_text(json.dumps({"count": arguments.count, "shares": figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
