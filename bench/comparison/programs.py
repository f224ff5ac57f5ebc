"""mio-lite and its peers, each of which can measure a case."""
import json
import os
import struct
import time

from .prepare import CannotBuild
from .processes import Failed, busy_neighbours

NEIGHBOURS_PER_CORE = 1


class Program:
    def neighbours(self, case):
        return busy_neighbours(NEIGHBOURS_PER_CORE * (os.cpu_count() or 1) if case.phase == "busy" else 0)


class MioLite(Program):
    """`mio-lite bench`, which measures the machine's limits beside each result; `generate` for a whole process."""

    name = "mio-lite"

    def __init__(self, folder, weights, runner, isa="native"):
        self.program, self.weights, self.runner = os.path.join(folder, "mio-lite"), weights, runner
        self.environment = {} if isa == "native" else {"MIO_ISA": isa}

    def bench(self, *options, model=None):
        command = [self.program, "bench", "--json", "-q", *map(str, options)] + (["-m", model] if model else [])
        return json.loads(self.runner.run(command, self.environment).output)

    def limits(self, threads):
        """What the machine can do now."""
        return self.bench("--phases", "machine", "--threads", threads)["machine"][str(threads)]

    def can(self, case):
        return True

    def describe(self):
        """Numbers and bytes of weights that one token reads, and the size of the file."""
        return self.bench("--phases", "machine", "--threads", 1, model=self.weights)["model"]

    def measure(self, case):
        with self.neighbours(case):
            if case.phase == "open":
                return self.open(case)
            if case.phase == "memory":
                return {"values": [self.generate(case.size, 16, case.threads).peak_bytes * 1e-9]}
            return self.phase(case)

    def phase(self, case):
        options = {
            "prefill": ["--phases", "prefill", "--prefill", case.size],
            "batch": ["--phases", "decode", "--batch", f"1,{case.size}"],
            "depth": ["--phases", "decode", "--batch", 1, "--depth", f"0,{case.size}"],
            "speech": ["--phases", "decode,speech-decode", "--batch", 1],
            "long": ["--phases", "long-text", "--batch", case.size],
            "codec": ["--phases", "codec-encode" if case.size else "codec-decode"],
        }.get(case.phase, ["--phases", "decode", "--batch", 1])
        slow = case.phase == "sweep" or (case.phase, case.size) == ("prefill", 512)
        report = self.bench(*options, "--threads", case.threads, "--repetitions", 2 if slow else 3, model=self.weights)
        result = report["results"][-1]
        values = result["tokens_per_second"]["samples"]
        if not case.is_rate:
            values = [1 / value for value in values]
        found = {"values": values, "fraction": result["fraction_of_limit"], "machine": result["machine"]}
        # The speed of memory changes from minute to minute: what is compared with plain decoding is measured beside it.
        if len(report["results"]) == 2:
            beside = report["results"][0]["tokens_per_second"]["median"]
            found["beside_decode"] = result["tokens_per_second"]["median"] / beside
        return found

    def generate(self, prompt, tokens, threads):
        ids = ",".join(str(3 + index % 61) for index in range(prompt))
        return self.runner.run([
            self.program, "generate", "--ids", ids, "--max-tokens", str(tokens), "--greedy", "--repetition-penalty",
            "1", "--grammar", "none", "--threads", str(threads), "-q", "--json", "-m", self.weights], self.environment)

    def open(self, case):
        """Seconds from the start of a process to its first token, less those of evaluating the prompt."""
        report = self.bench(
            "--phases", "prefill", "--prefill", case.size, "--threads", case.threads, "--repetitions", 5,
            model=self.weights)
        evaluation = case.size / report["results"][0]["tokens_per_second"]["median"]
        return {"values": [self.generate(case.size, 1, case.threads).seconds - evaluation for _ in range(3)]}


class LlamaFamily(Program):
    """`llama-bench` and `llama-batched-bench` of llama.cpp or ik_llama.cpp."""

    def __init__(self, name, folder, weights, runner):
        self.name, self.weights, self.runner = name, weights, runner
        self.is_ik = name == "ik_llama.cpp"
        self.bytes_per_cache_number = 34 / 32 if self.is_ik else 2  # q8_0 and f16, as `rates` asks for
        self.bench_program = os.path.join(folder, "llama-bench")
        self.batched_program = os.path.join(folder, "llama-batched-bench")

    def can(self, case):
        return case.has_peers

    def measure(self, case):
        with self.neighbours(case):
            if case.phase == "batch":
                return {"values": [self.batch(case)]}
            if case.phase == "open":
                return {"values": [self.open(case) for _ in range(2)]}
            if case.phase == "memory":
                run, _ = self.bench(case.threads, 1, "-p", case.size, "-n", 16)
                return {"values": [run.peak_bytes * 1e-9]}
            return {"values": self.rates(case)}

    def bench(self, threads, repetitions, *options):
        """Runs llama-bench; returns the run and its last result."""
        # ik_llama.cpp repacks the weights at load when told so; llama.cpp does it on its own.
        own = ["-rtr", "1"] if self.is_ik else []
        run = self.runner.run([
            self.bench_program, "-m", self.weights, "-t", str(threads), "-r", str(repetitions), "-o", "json", *own,
            *map(str, options)])
        try:
            return run, json.loads(run.output)[-1]
        except (ValueError, IndexError):
            raise Failed("llama-bench printed no result") from None

    def rates(self, case):
        """Tokens per second of every repetition, with the settings that suit the peer best."""
        if case.phase == "prefill":
            options = ["-p", case.size, "-n", 0]
        elif case.phase == "depth" and self.is_ik:
            options = ["-p", 0, "-n", 0, "-gp", f"{case.size},16", "-ctk", "q8_0", "-ctv", "q8_0"]
        elif case.phase == "depth":
            options = ["-p", 0, "-n", 16, "-d", case.size, "-fa", "off"]
        else:
            options = ["-p", 0, "-n", 4 if case.phase in ("busy", "sweep") else 16]
        slow = case.phase in ("depth", "busy", "sweep") or (case.phase, case.size) == ("prefill", 512)
        _, result = self.bench(case.threads, 1 if slow else 3, *options)
        return result.get("samples_ts") or [result["avg_ts"]]

    def open(self, case):
        """Seconds of a process up to its result, less two evaluations of the prompt, both as long as the second one."""
        cold = ["-w", "0"] if self.is_ik else ["--no-warmup"]
        run, result = self.bench(case.threads, 2, "-p", case.size, "-n", 0, *cold)
        return run.seconds - 2 * result["samples_ns"][-1] * 1e-9

    def batch(self, case):
        run = self.runner.run([
            self.batched_program, "-m", self.weights, "-t", str(case.threads), "-c", "4096", "-npp", "8", "-ntg", "16",
            "-npl", str(case.size), "-pps"] + (["-rtr"] if self.is_ik else []))
        # A table, on one stream or the other: PP, TG, B, N_KV, T_PP, S_PP, T_TG, S_TG and more.
        lines = (run.output + "\n" + run.errors).splitlines()
        rows = [[cell.strip() for cell in line.strip("| \t").split("|")] for line in lines if line.startswith("|")]
        header = next((row for row in rows if "S_TG t/s" in row), None)
        if header is None or len(rows[-1]) < len(header):
            raise Failed("llama-batched-bench printed no table")
        return float(rows[-1][header.index("S_TG t/s")])


class Shapes:
    """What of a GGUF file a token reads."""

    BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 8: (32, 34), 12: (256, 144), 14: (256, 210)}  # type: numbers, bytes

    def __init__(self, path):
        with open(path, "rb") as file:
            self.head = file.read(1 << 24)
        table = self.after(b"token_embd.weight")
        _, columns, rows, kind = struct.unpack_from("<IQQI", self.head, table)
        numbers, size = self.BLOCKS[kind]
        self.weight_bytes = os.path.getsize(path) - columns * rows // numbers * size
        width, heads = self.number("embedding_length"), self.number("attention.head_count")
        self.cache_numbers = 2 * self.number("block_count") * self.number("attention.head_count_kv") * width // heads

    def after(self, key):
        place = self.head.find(struct.pack("<Q", len(key)) + key)
        if place < 0:
            raise CannotBuild(f"the weights of the peers lack '{key.decode()}'")
        return place + 8 + len(key)

    def number(self, key):
        return struct.unpack_from("<I", self.head, self.after(b"llama." + key.encode()) + 4)[0]


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
