"""Trains the demo model from scratch: texts -> audio -> codec -> tokens -> backbone -> export -> report.

    python converter/demo/train.py --out DIR --stage all

Every stage leaves its result in DIR and is skipped by `--stage all` when it is finished there; training stages save
their state every `--save-steps` steps and go on from it. See README.md.
"""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import settings as options

# A stage is finished when this file of it exists.
RESULTS = {"texts": "texts.json", "audio": "audio.json", "codec": "codec.pt", "tokens": "tokens.npz",
           "backbone": "backbone.pt", "export": "checkpoint/config.json", "report": "report.json"}
MODULES = {"texts": "texts", "audio": "voice", "codec": "codec", "tokens": "tokens", "backbone": "backbone",
           "export": "export", "report": "report"}
PARALLEL = ("codec", "tokens", "backbone")


def run_parallel(stage: str, arguments: list[str], processes: int) -> None:
    """Runs a training stage in `processes` processes of one thread each, which add up their gradients."""
    environment = dict(os.environ, MASTER_ADDR="127.0.0.1", MASTER_PORT=str(20000 + os.getpid() % 20000),
                       WORLD_SIZE=str(processes), OMP_NUM_THREADS="1")
    program = Path(__file__).with_name("mio_demo_training.py")
    ranks = [subprocess.Popen([sys.executable, str(program), stage, *arguments],
                              env=dict(environment, RANK=str(rank))) for rank in range(processes)]
    codes = [rank.wait() for rank in ranks]
    if any(codes):
        raise SystemExit(f"stage {stage}: a training process ended with status {max(codes, key=abs)}")


def main() -> None:
    arguments = sys.argv[1:]
    settings = options.parse(arguments)
    stages = options.STAGES if settings.stage == "all" else [settings.stage]
    for stage in stages:
        if settings.stage == "all" and settings.path(RESULTS[stage]).exists():
            continue
        if stage in PARALLEL:
            run_parallel(stage, arguments, settings.processes if settings.device == "cpu" else 1)
        else:
            importlib.import_module(MODULES[stage]).run(settings)


if __name__ == "__main__":
    main()
