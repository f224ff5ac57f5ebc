"""What one run of the pipeline is told: folders, sizes of the data, length of the training."""

import argparse
from dataclasses import dataclass
from pathlib import Path

STAGES = ["texts", "audio", "codec", "tokens", "backbone", "export", "report"]


@dataclass
class Settings:
    out: Path
    stage: str
    seed: int
    processes: int
    device: str
    words: int
    phrases: int
    sentences: int
    more_phrases: int
    codec_steps: int
    utterances: int
    backbone_steps: int
    cooldown_steps: int
    cooldown_minutes: float
    warmth: float
    save_steps: int
    batch_tokens: int

    def path(self, name: str) -> Path:
        self.out.mkdir(parents=True, exist_ok=True)
        return self.out / name


def parse(arguments: list[str] | None = None) -> Settings:
    parser = argparse.ArgumentParser(description="Trains the demo model from scratch.")
    parser.add_argument("--out", type=Path, required=True, help="folder for data, training state and checkpoint")
    parser.add_argument("--stage", default="all", choices=["all", *STAGES],
                        help="`all` runs every stage whose result is missing; a named stage runs (or goes on)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2, help="training processes, one thread each (CPU)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda; cuda uses one process")
    parser.add_argument("--words", type=int, default=9000)
    parser.add_argument("--phrases", type=int, default=6000)
    parser.add_argument("--sentences", type=int, default=5000)
    parser.add_argument("--more-phrases", type=int, default=40000,
                        help="phrases chosen after all other texts, which stay the same with any number")
    parser.add_argument("--codec-steps", type=int, default=5000)
    parser.add_argument("--utterances", type=int, default=1_000_000, help="encode only this many, the most wanted")
    parser.add_argument("--backbone-steps", type=int, default=16000, help="steps before the cool-down")
    parser.add_argument("--cooldown-steps", type=int, default=1500, help="last steps, learning rate falling to zero")
    parser.add_argument("--cooldown-minutes", type=float, default=0,
                        help="let the cool-down end by the clock instead, for a machine that others use, too")
    parser.add_argument("--warmth", type=float, default=0,
                        help="cool down once more, from this share of the full learning rate (each new value: again)")
    parser.add_argument("--save-steps", type=int, default=250, help="steps between two saved states")
    parser.add_argument("--batch-tokens", type=int, default=2048, help="tokens per process and step")
    return Settings(**vars(parser.parse_args(arguments)))
