"""What is measured: every case is a phase, a size and a number of threads."""
import os
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Case:
    phase: str
    size: int
    threads: int

    @property
    def label(self):
        text = {
            "prefill": f"prefill {self.size}", "decode": "decode", "speech": "decode, speech tokens",
            "depth": f"decode at {self.size}", "batch": f"decode, batch {self.size}", "busy": "decode, busy neighbours",
            "sweep": "decode", "open": "open to first token", "memory": "peak memory",
            "long": "one text of 16 sentences" if self.size > 1 else "sentence after sentence",
            "codec": "speech codec, encode" if self.size else "speech codec, decode",
        }[self.phase]
        return f"{text}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    @property
    def unit(self):
        units = {"open": "s", "memory": "GB", "long": "s per s of sound", "codec": "s per s of sound"}
        return units.get(self.phase, "tokens/s")

    @property
    def is_rate(self):
        return self.unit == "tokens/s"

    @property
    def has_peers(self):
        return self.phase not in ("speech", "long", "codec")


CORES = os.cpu_count() or 1

BATCHES = [2, 4, 5, 8, 16]


def phases(cores=CORES):
    """{name: cases}, in the order of the table."""
    one_and_all = sorted({1, cores})
    more = sorted({min(cores + 1, 4 * cores), 2 * cores, 3 * cores, 4 * cores})
    return {
        "decode": [Case("decode", 1, threads) for threads in one_and_all],
        "speech": [Case("speech", 1, threads) for threads in one_and_all],
        "depth": [Case("depth", 2048, cores)],
        "batch": [Case("batch", size, cores) for size in BATCHES] + ([Case("batch", 16, 1)] if cores > 1 else []),
        "prefill": [Case("prefill", size, threads) for size in (128, 512) for threads in one_and_all],
        "open": [Case("open", 8, cores)],
        "memory": [Case("memory", 128, cores)],
        "sweep": [Case("sweep", 1, threads) for threads in more],
        "busy": [Case("busy", 1, threads) for threads in one_and_all],
        "long": [Case("long", size, cores) for size in (1, 16)],
        "codec": [Case("codec", way, cores) for way in (0, 1)],
    }
