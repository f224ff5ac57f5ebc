"""Speaks a book, or any number of texts, on Ray Data: actors hold a model each.

    python speak.py texts.jsonl recordings [--model mio.mio] [--actors 64]

Lines of the input are {"id": "0001", "text": "..."}; recordings/0001.wav comes of it.
"""

import argparse
import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import ray
from mio_lite import Model


def seed(of_all, row):
    """What is drawn in a row depends on its id, not on its place, its neighbours, or how often it was begun."""
    return int.from_bytes(hashlib.sha256(f"{of_all} {row}".encode()).digest()[:6], "big")


class Voice:
    """An actor: opens the model once, and speaks row after row."""

    def __init__(self, model, folder, seed_of_all, threads):
        self.model = Model(model, threads=threads)
        self.folder = folder
        self.seed = seed_of_all
        # Texts that are spoken at the same time share the model's steps, in which they hardly cost more than one.
        self.callers = ThreadPoolExecutor(8)

    def __call__(self, rows):
        names, texts = rows["id"].tolist(), rows["text"].tolist()
        return {"id": names, "seconds": list(self.callers.map(self.speak, names, texts))}

    def speak(self, row, text):
        audio = self.model.speak(text, seed=seed(self.seed, row))
        # The file appears when it is complete, so a row that is begun again finds all of it or nothing.
        audio.save(os.path.join(self.folder, quote(row, safe="") + ".wav"))
        return audio.duration


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("texts")
    parser.add_argument("recordings", help="folder that all machines see")
    parser.add_argument("--model", help="a packed model at the same place on all machines (default: the package's own)")
    parser.add_argument("--actors", type=int, default=os.cpu_count())
    parser.add_argument("--threads", type=int, default=1, help="of each actor")
    parser.add_argument("--rows", type=int, default=64, help="what an actor is given at once, and done again if it is lost")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    folder = os.path.abspath(given.recordings)
    os.makedirs(folder, exist_ok=True)

    # Actors keep their cores; on this machine alone, reading the texts needs one that is not theirs.
    ray.init(**({} if "RAY_ADDRESS" in os.environ else {"num_cpus": given.actors * given.threads + 1}))
    texts = ray.data.read_json(given.texts, lines=True)
    twice = texts.groupby("id").count().filter(lambda found: found["count()"] > 1).take(3)
    if twice:
        sys.exit(f"{given.texts}: id of more than one text: {', '.join(str(found['id']) for found in twice)}")
    done = texts.map_batches(
        Voice,
        fn_constructor_args=(given.model, folder, given.seed, given.threads),
        batch_size=given.rows,
        compute=ray.data.ActorPoolStrategy(size=given.actors),
        num_cpus=given.threads,
    )
    rows = seconds = 0
    for row in done.iter_rows():
        rows, seconds = rows + 1, seconds + row["seconds"]
    print(f"{rows} texts, {seconds:.1f} s of speech")


if __name__ == "__main__":
    main()
