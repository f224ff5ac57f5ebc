#!/usr/bin/env python3
"""Times mio-lite, llama.cpp and ik_llama.cpp on the same shapes, turn by turn, beside the limits of the machine.

    python3 bench/compare.py --work FOLDER --ik CHECKOUT [--isa avx2|avxvnni|avx512vnni] [--compiler gcc|clang]

FOLDER keeps what a comparison needs and gets what is missing: llama.cpp from the source distribution of its
Python package, a random checkpoint of MIO's size, q4.mio made of it, and the same shapes as q4_0.gguf (25 GB in
all). ik_llama.cpp is built in the checkout that --ik names, if it is not yet; without --ik it is left out.

Every case is measured with one program after the other, so that a slow minute of the machine hits all of them.
Results are added to those in the output file until each case has --rounds of each program: a command that was
broken off, or was given --seconds or some --phases only, is continued by the next one. A table goes to stdout and
beside the output file, where a plot is drawn, too: comparison-MACHINE-ISA.json, .md and .svg in bench/ unless --output says
otherwise. --isa holds mio-lite (MIO_ISA) and the peers (ggml's options) to the instructions of one variant, which stands for
machines that have no others. A program that crashes is reported in the table, and the others are measured on.
"""
import argparse
import json
import os
import platform
import re
import shlex
import sys

from comparison import plot, prepare
from comparison.cases import CORES, phases
from comparison.processes import Failed, Runner, TimeIsUp
from comparison.programs import LlamaFamily, MioLite, Shapes, now
from comparison.table import Figures

USUAL_SECONDS = 9  # of a program that was never run on a case
RATES = ["read_gbps", "int8_gops", "f32_gflops"]  # of the machine


class Comparison:
    """Measures what is missing in the results."""

    def __init__(self, arguments, record, save):
        self.arguments, self.record, self.save = arguments, record, save
        self.runner = Runner(shlex.split(arguments.prefix), arguments.timeout, arguments.seconds)
        self.mio = MioLite(
            arguments.programs, prepare.mio_weights(arguments.work, arguments.programs, arguments.weights), self.runner,
            arguments.isa)
        self.programs, self.shapes = [self.mio], None
        self.record["left_out"] = {}
        isa, compiler = arguments.isa, arguments.compiler
        self.add_peer("llama.cpp", lambda: prepare.llama(arguments.work, isa, compiler))
        if arguments.ik:
            self.add_peer("ik_llama.cpp", lambda: prepare.ik(arguments.ik, isa, compiler))
        self.probe = {}  # what the machine could do at last, by threads

    def add_peer(self, name, folder):
        """A peer that cannot be built is left out; the others are measured without it."""
        try:
            weights = prepare.gguf_weights(self.arguments.work, self.arguments.weights)
            self.shapes = self.shapes or Shapes(weights)
            self.programs.append(LlamaFamily(name, folder(), weights, self.runner))
        except (OSError, prepare.CannotBuild) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            self.record["left_out"][name] = str(error)

    def results(self, program, case):
        return [result for result in self.record["results"]
                if (result["program"], result["weights"], result["phase"], result["size"], result["threads"])
                == (program.name, self.arguments.weights, case.phase, case.size, case.threads)]

    def missing(self, case, number):
        """The programs that have not yet measured the case in that round."""
        return [program for program in self.programs
                if program.can(case) and len(self.results(program, case)) <= number]

    def expected_seconds(self, programs, case):
        known = [[result["seconds"] for result in self.results(program, case)] for program in programs]
        return sum(max(seconds, default=USUAL_SECONDS) * 1.1 for seconds in known)

    def run(self):
        """Returns whether nothing is missing any more."""
        model = self.mio.describe()
        self.record["models"][self.arguments.weights] = {**model, "file": os.path.basename(model["file"])}
        complete = True
        for number in range(self.arguments.rounds):
            for name in self.arguments.phases:
                for case in phases()[name]:
                    programs = self.missing(case, number)
                    if self.expected_seconds(programs, case) > self.runner.left():
                        complete = False
                        continue
                    try:
                        for program in programs:
                            self.measure(program, case, number)
                    except TimeIsUp:
                        return False
        return complete

    def measure(self, program, case, number):
        result = {"program": program.name, "weights": self.arguments.weights, "phase": case.phase, "size": case.size,
                  "threads": case.threads, "when": now()}
        started = self.runner.clock()
        try:
            before = None if program is self.mio else self.limits(case)
            result.update(program.measure(case))
            if program is self.mio:
                self.probe[case.threads] = result.get("machine")
            else:
                after = self.limits(case, again=True)
                result["machine"] = {**before, **{key: (before[key] + after[key]) / 2 for key in RATES}}
            self.add_fraction(program, case, result)
        except Failed as error:
            result["error"] = str(error)
        except (ValueError, LookupError, OSError) as error:  # a program that prints something else than expected
            result["error"] = f"{type(error).__name__}: {error}"
        result["seconds"] = round(self.runner.clock() - started, 1)
        self.record["results"].append(result)
        self.save()
        found = result.get("error") or " ".join(f"{value:.3g}" for value in result["values"]) + " " + case.unit
        line = f"round {number + 1}: {case.label}, {program.name}: {found} ({result['seconds']:.0f} s)"
        print(line, file=sys.stderr, flush=True)

    def limits(self, case, again=False):
        """What the machine can do: what the last probe found, or a new one."""
        if again or not self.probe.get(case.threads):
            self.probe[case.threads] = self.mio.limits(case.threads)
        return self.probe[case.threads]

    def add_fraction(self, program, case, result):
        """The share of the limit: memory for decoding, or products where they are the narrower one."""
        if case.phase not in ("prefill", "decode", "sweep", "busy", "depth", "batch"):
            return
        machine = result["machine"]
        rate = sorted(result["values"])[len(result["values"]) // 2]
        numbers = self.record["models"][self.arguments.weights]["parameters_per_token"]
        products = rate * 2 * numbers / (machine["int8_gops"] * 1e9)
        if case.phase == "prefill":
            result["fraction"] = products
        elif program is self.mio:
            result["fraction"] = max(result["fraction"], products if case.phase == "batch" else 0)
        else:
            depth = case.size if case.phase == "depth" else 0
            cache_bytes = depth * self.shapes.cache_numbers * program.bytes_per_cache_number
            steps = rate / (case.size if case.phase == "batch" else 1)
            reading = steps * (self.shapes.weight_bytes + cache_bytes) / (machine["read_gbps"] * 1e9)
            result["fraction"] = max(reading, products if case.phase == "batch" else 0)


def processor_lines():
    """What the system says of the first processor."""
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line.split(":", 1) for line in file.read().split("\n\n")[0].splitlines() if ":" in line]
    except OSError:
        lines = []
    return {name.strip(): value.strip() for name, value in lines}


def processor():
    name = processor_lines().get("model name") or platform.processor() or platform.machine()
    return f"{name}, {CORES} cores"


def machine_name():
    """A name for files. Virtual machines often hide the product's name, so the family and the model belong to it."""
    found = processor_lines()
    parts = [found.get("model name") or platform.processor() or platform.machine()]
    parts += [f"{key.split()[-1]} {found[key]}" for key in ("cpu family", "model") if key in found]
    return re.sub("[^a-z0-9]+", "-", " ".join([*parts, f"{CORES} cores"]).lower()).strip("-")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", help="folder for peers and weights; without it nothing is measured")
    parser.add_argument("--ik", help="checkout of ik_llama.cpp")
    parser.add_argument("--isa", choices=list(prepare.OPTIONS), default="native", help="instructions of all programs")
    parser.add_argument("--compiler", choices=list(prepare.COMPILERS), help="the peers' compiler; CMake's choice without it")
    parser.add_argument(
        "--output", help="file that results are added to; bench/comparison-MACHINE-ISA.json without it")
    parser.add_argument("--merge", nargs="*", default=[], help="files whose results are added first")
    parser.add_argument("--programs", default=".build/release", help="folder of mio-lite and mio-checkpoint")
    parser.add_argument("--weights", choices=["q4", "q8"], default="q4")
    parser.add_argument("--phases", type=lambda text: text.split(","), default=list(phases()), help=", ".join(phases()))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, help="start nothing that would end later than this from now")
    parser.add_argument("--timeout", type=float, default=300, help="most seconds of one program's run")
    parser.add_argument("--prefix", default="", help="what every program is started with, such as 'taskset -c 0,1'")
    arguments = parser.parse_args()
    for name in ("work", "ik", "programs"):  # the programs run in other folders
        if getattr(arguments, name):
            setattr(arguments, name, os.path.abspath(getattr(arguments, name)))
    arguments.output = arguments.output or os.path.join("bench", f"comparison-{machine_name()}-{arguments.isa}.json")
    unknown = [name for name in arguments.phases if name not in phases()]
    if unknown:
        parser.error(f"no phase '{unknown[0]}'; there are {', '.join(phases())}")
    return arguments


def load(paths, isa):
    record = {"machine": processor(), "isa": isa, "models": {}, "results": []}
    for path in paths:
        if os.path.exists(path):
            with open(path) as file:
                found = json.load(file)
            if found.get("isa", "native") != isa:
                raise SystemExit(f"{path} was measured with --isa {found.get('isa', 'native')}, not {isa}")
            record["models"].update(found["models"])
            record["results"] += found["results"]
            record["left_out"] = found.get("left_out", {})
    return record


def main():
    arguments = parse()
    record = load([arguments.output, *arguments.merge], arguments.isa)

    def save():
        with open(arguments.output + ".new", "w") as file:
            json.dump(record, file, indent=1)
        os.replace(arguments.output + ".new", arguments.output)

    if arguments.work:
        complete = Comparison(arguments, record, save).run()
        if not complete:
            print("not everything was measured; the same command goes on", file=sys.stderr)
    save()
    for weights in record["models"]:
        figures = Figures(
            record["results"], weights, record["models"][weights]["bytes"], arguments.isa, record.get("left_out", {}))
        base = os.path.splitext(arguments.output)[0] + ("" if weights == "q4" else f"-{weights}")
        with open(base + ".md", "w") as file:
            file.write(f"{record['machine']}, {arguments.isa}.\n\n{figures.table()}\n")
        with open(base + ".svg", "w") as file:
            file.write(plot.svg(
                figures.bars(), "Share of what the machine could do at the same time",
                f"{weights} and weights of equal bits, {record['machine']}, {arguments.isa}; "
                "decoding against memory reads, prefill against int8 products"))
        print(figures.table())


if __name__ == "__main__":
    main()
