"""Answers a file of OpenAI's batch lines on Dask.

    python answer.py requests.jsonl answers --scheduler tcp://head:8786 --block 1MiB [options of mio-lite batch]
"""

import argparse
import json
import os
import subprocess
import sys

import dask.bag
from dask.distributed import Client


def answer(lines, options):
    """The answers to requests, in their order.

    What is drawn in a row comes from --seed and the row's custom_id, so neither blocks nor retries change a byte.
    """
    lines = list(lines)
    command = ["mio-lite", "batch", "-", "-o", "-", "--quiet", *options]
    done = subprocess.run(command, input="\n".join(lines).encode(), stdout=subprocess.PIPE, check=False)
    answers = done.stdout.decode().split("\n")[:-1]
    # Status 1 says that an answer is an error: that is no reason to work on its neighbours again.
    if done.returncode not in (0, 1) or len(answers) != len(lines):
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}, {len(answers)} of {len(lines)} rows answered")
    return answers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("requests")
    parser.add_argument("answers", help="folder; its parts, one behind the other, are what 'mio-lite batch' writes")
    parser.add_argument("--scheduler", help="its address; without it, workers are started on this machine")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="how many, if they are started here")
    parser.add_argument("--threads", type=int, default=1, help="of each answering process")
    parser.add_argument("--block", default="1MiB", help="of requests: what is done again when a worker is lost")
    given, options = parser.parse_known_args()

    # A task is a process with threads of its own, so a worker does one at a time.
    here = {"n_workers": given.workers, "threads_per_worker": 1, "dashboard_address": None}
    with Client(given.scheduler) if given.scheduler else Client(**here):
        rows = dask.bag.read_text(given.requests, blocksize=given.block).map(str.strip).filter(bool)
        ids = rows.map(lambda row: json.loads(row)["custom_id"]).frequencies(split_every=16)
        twice = ids.filter(lambda found: found[1] > 1).pluck(0).take(3, npartitions=-1, warn=False)
        if twice:
            sys.exit(f"{given.requests}: custom_id of more than one row: {', '.join(twice)}")
        parts = rows.map_partitions(answer, ["--threads", str(given.threads), *options])
        parts.to_textfiles(os.path.join(given.answers, "part-*.jsonl"), last_endline=True, compute_kwargs={"retries": 3})


if __name__ == "__main__":
    main()
