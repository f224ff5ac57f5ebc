"""What mio-lite should reach, and whether a table's figures do."""
from dataclasses import dataclass

from .cases import CORES, Case

BATCH_FACTORS = {2: 1.9, 4: 3.6, 5: 4.4, 8: 6.5, 16: 10}  # against our own single sequence
DECODE_PEERS = 1.05  # against either peer
# By the variant that all programs are held to: prefill of 128 and 512 tokens, batches of 8 and 16 against either peer.
PREFILL_PEERS = {"native": {128: 1.7, 512: 1.7}, "avx512vnni": {128: 1.7, 512: 1.7}, "avxvnni": {128: 1.2, 512: 1.2},
                 "avx2": {128: 1.2, 512: 1.2}}
BATCH_PEERS = {"native": 2.0, "avx512vnni": 2.0, "avxvnni": 1.5, "avx2": 1.5}
READING = 0.92  # of the best of several read streams
READING_NARROW = 0.90  # with AVX2 or AVX-VNNI
MEMORY_BEYOND_FILE = 0.3  # GB
# Memory that gives all threads at most so many times what it gives one is in its slow mode.
SLOW_MODE = 1.4


@dataclass
class Check:
    """One number of a target: `value` should be at least `wanted`, or at most where `is_limit`."""

    what: str
    value: float
    wanted: float
    is_limit: bool = False

    @property
    def met(self):
        return self.value <= self.wanted if self.is_limit else self.value >= self.wanted

    @property
    def text(self):
        return f"{'≤' if self.is_limit else '≥'} {self.wanted:.4g} {self.what}: **{self.value:.3g}**"


class Targets:
    """`medians`, `fractions`, `reading` and `beside` (our speed by that of plain decoding at the same time) have the
    medians of (program, case) for all that was measured."""

    def __init__(self, medians, fractions, reading, beside, model_bytes, isa="native"):
        self.isa = isa
        self.medians, self.fractions, self.reading = medians, fractions, reading
        self.beside, self.model_bytes = beside, model_bytes

    def ours(self, *case):
        return self.medians.get(("mio-lite", Case(*case)))

    def against(self, name, case, wanted):
        ours, theirs = self.medians.get(("mio-lite", case)), self.medians.get((name, case))
        return [Check(f"× {name}", ours / theirs, wanted)] if ours and theirs else []

    def against_peers(self, case, wanted):
        return self.against("ik_llama.cpp", case, wanted) + self.against("llama.cpp", case, wanted)

    def against_own(self, what, case, other, wanted, is_limit=False):
        ours, base = self.medians.get(("mio-lite", case)), self.ours(*other)
        return [Check(f"× {what}", ours / base, wanted, is_limit)] if ours and base else []

    def beside_decode(self, what, case, wanted):
        found = self.beside.get(("mio-lite", case))
        return [Check(f"× {what}", found, wanted)] if found else []

    def of_limit(self, what, case, wanted):
        found = self.fractions.get(("mio-lite", case))
        return [Check(f"of {what}", found, wanted)] if found else []

    def checks(self, case):
        """The checks of a case that could be made."""
        if self.medians.get(("mio-lite", case)) is None:
            return []
        return getattr(self, case.phase)(case)

    # One function for each phase.

    def decode(self, case):
        share = READING_NARROW if self.isa in ("avx2", "avxvnni") else READING
        return self.of_limit("reading", case, share) + self.against_peers(case, DECODE_PEERS)

    def is_fast(self, case):
        """Whether memory was in its fast mode while our runs of the case were measured."""
        all_threads = self.reading.get(("mio-lite", case))
        one_thread = self.reading.get(("mio-lite", Case("decode", 1, 1)))
        return bool(all_threads and one_thread and all_threads > SLOW_MODE * one_thread)

    def speech(self, case):
        return self.beside_decode("text", case, 1.04)

    def depth(self, case):
        return self.beside_decode("no context", case, 0.95)

    def batch(self, case):
        """The factors hold for slow memory; in fast memory products limit a batch, but not the single sequence."""
        if case.threads == 1:
            return []
        factor = BATCH_FACTORS[case.size]
        found = [] if self.is_fast(case) else self.beside_decode("batch 1", case, factor)
        return found + self.against_peers(case, BATCH_PEERS[self.isa] if case.size >= 8 else 1) + self.scaling(case)

    def prefill(self, case):
        return (self.of_limit("int8", case, 0.60) + self.against_peers(case, PREFILL_PEERS[self.isa].get(case.size, 1))
                + self.scaling(case))

    def scaling(self, case):
        """Two threads against one."""
        if case.threads != 2:
            return []
        return self.against_own("one thread", case, (case.phase, case.size, 1), 1.9)

    def open(self, case):
        return [Check("s", self.medians["mio-lite", case], 0.15, is_limit=True)]

    def memory(self, case):
        allowed = self.model_bytes * 1e-9 + MEMORY_BEYOND_FILE
        return [Check("GB", self.medians["mio-lite", case], allowed, is_limit=True)]

    def sweep(self, case):
        return self.against_own(f"{CORES} threads", case, ("decode", 1, CORES), 0.9)

    def busy(self, case):
        if case.threads == 1:
            return []
        return self.against_own("one thread", case, ("busy", 1, 1), 0.8)

    def long(self, case):
        if case.size == 1:
            return []
        return self.against_own("one after another", case, ("long", 1, case.threads), 0.30, is_limit=True)

    def codec(self, case):
        return [Check("s", self.medians["mio-lite", case], 0.03, is_limit=True)]


