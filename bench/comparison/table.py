"""What was measured, as a Markdown table and as bars of a plot."""
import statistics

from .cases import Case, phases
from .targets import Targets

PROGRAMS = ["mio-lite", "llama.cpp", "ik_llama.cpp"]
PLOTTED = ["decode", "speech", "depth", "batch", "prefill"]


class Figures:
    """All results of one kind of weights."""

    def __init__(self, results, weights, model_bytes, isa="native", left_out=None):
        self.left_out = left_out or {}
        self.runs = {}  # (program, case): results
        for result in results:
            if result["weights"] == weights:
                case = Case(result["phase"], result["size"], result["threads"])
                self.runs.setdefault((result["program"], case), []).append(result)
        self.values = {
            key: [value for run in runs for value in run.get("values", [])] for key, runs in self.runs.items()}
        self.medians = {key: statistics.median(values) for key, values in self.values.items() if values}
        self.fractions = self.median_of(lambda run: run.get("fraction"))
        reading = self.median_of(lambda run: run.get("machine", {}).get("read_gbps"))
        beside = self.median_of(lambda run: run.get("beside_decode"))
        self.targets = Targets(self.medians, self.fractions, reading, beside, model_bytes, isa)
        order = list(phases())
        self.cases = sorted(
            {case for _, case in self.runs}, key=lambda case: (order.index(case.phase), case.size, case.threads))

    def median_of(self, get):
        found = {key: [get(run) for run in runs if get(run) is not None] for key, runs in self.runs.items()}
        return {key: statistics.median(values) for key, values in found.items() if values}

    def cell(self, program, case):
        values = self.values.get((program, case))
        if not values:
            errors = [run["error"] for run in self.runs.get((program, case), []) if "error" in run]
            return f"failed: {errors[-1]}".replace("|", "/") if errors else ""
        share = self.fractions.get((program, case))
        return spread(values) + (f"; {share:.0%}" if share is not None and case.phase != "long" else "")

    def ratio(self, case):
        """How many times better than the better peer."""
        ours = self.medians.get(("mio-lite", case))
        theirs = [self.medians[name, case] for name in PROGRAMS[1:] if (name, case) in self.medians]
        if not ours or not theirs:
            return ""
        return f"{ours / max(theirs) if case.is_rate else min(theirs) / ours:.2f}"

    def row(self, case):
        checks = self.targets.checks(case)
        verdict = "" if not checks else "met" if all(check.met for check in checks) else "missed"
        unit = "" if case.is_rate else f" ({case.unit})"
        cells = [case.label + unit, *(self.cell(name, case) for name in PROGRAMS), self.ratio(case),
                 "; ".join(check.text for check in checks), verdict]
        return "| " + " | ".join(cells) + " |"

    def table(self):
        head = ["tokens per second, or as said: median (min - max); share of the limit", *PROGRAMS,
                "times the better peer", "targets and what was found", ""]
        lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *map(self.row, self.cases)]
        missing = [f"{name} is left out: {why}" for name, why in self.left_out.items()]
        return "\n".join(lines + [""] + self.machine() + missing)

    def machine(self):
        """What the machine could do beside the runs, neighbours left out."""
        beside = {}
        for (_, case), runs in self.runs.items():
            if case.phase not in ("busy", "sweep"):
                beside.setdefault(case.threads, []).extend(run["machine"] for run in runs if run.get("machine"))
        lines = []
        for threads, found in sorted(beside.items()):
            if found:
                reading, products = (spread([m[key] for m in found]) for key in ("read_gbps", "int8_gops"))
                lines.append(f"Limits beside the runs, {threads} thread{'s' if threads > 1 else ''}: "
                             f"reading {reading} GB/s{ways(found)}, int8 {products} GOP/s.")
        return lines

    def bars(self):
        """[(label, {program: (fraction, (lowest, highest) fraction, text)})] for the plot."""
        rows = []
        for case in self.cases:
            bars = {}
            for name in PROGRAMS:
                share, values = self.fractions.get((name, case)), self.values.get((name, case))
                if case.phase in PLOTTED and share is not None and values:
                    median = statistics.median(values)
                    ends = (share * min(values) / median, share * max(values) / median)
                    bars[name] = (share, ends, number(median))
            if bars:
                rows.append((case.label, bars))
        return rows


def ways(found):
    """How memory was read where that was fastest, the most frequent way."""
    known = [(m["read_streams"], m["read_bytes_ahead"]) for m in found if "read_streams" in m]
    if not known:
        return ""
    streams, ahead = statistics.mode(known)
    return f" ({streams} stream{'s' if streams > 1 else ''} a thread, " + (
        f"{ahead} bytes ahead)" if ahead else "left to the processor)")


def number(value):
    digits = next((digits for least, digits in ((200, 0), (10, 1), (0.1, 2)) if abs(value) >= least), 3)
    return f"{value:.{digits}f}"


def spread(values):
    median = number(statistics.median(values))
    return median if min(values) == max(values) else f"{median} ({number(min(values))} - {number(max(values))})"
