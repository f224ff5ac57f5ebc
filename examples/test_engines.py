"""Runs the examples for real on one machine: a worker is killed in the middle, and what comes out has to be, byte for byte,
what `mio-lite batch` makes of the whole. `scripts/test-engines` installs the engines and calls this."""

import base64
import contextlib
import getpass
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
MARK = b"MIO_TEST_RUN=" + os.fsencode(f"{os.getpid()}-{time.time_ns()}")
os.environ["MIO_TEST_RUN"] = os.fsdecode(MARK.partition(b"=")[2])
LIMIT = 480
TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A process as /proc shows it."""

    def __init__(self, number):
        self.number = number

    def _read(self, name):
        try:
            return pathlib.Path(f"/proc/{self.number}/{name}").read_bytes()
        except OSError:
            return b""

    @property
    def command(self):
        return self._read("cmdline").replace(b"\0", b" ").decode(errors="replace")

    @property
    def _stat(self):
        return self._read("stat").rpartition(b") ")[2].split()

    @property
    def parent(self):
        stat = self._stat
        return Process(int(stat[1])) if len(stat) > 1 and stat[1] != b"0" else None

    @property
    def seconds(self):
        """Of the processors, spent so far; -1 if it has ended."""
        stat = self._stat
        return (int(stat[11]) + int(stat[12])) / TICKS if len(stat) > 12 and stat[0] != b"Z" else -1

    @property
    def is_ours(self):
        """Whether this test, or what it started, started it: the environment tells, or that of an ancestor."""
        found = self
        while found is not None and found.number != os.getpid():
            if MARK in found._read("environ").split(b"\0"):
                return True
            found = found.parent
        return False

    @property
    def has_model(self):
        return b".mio\n" in self._read("maps")

    @staticmethod
    def ours():
        numbers = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        return [found for found in map(Process, numbers) if found.number != os.getpid() and found.is_ours]


def answering():
    """A process of mio-lite that is in the middle of its rows."""
    for found in Process.ours():
        words = found.command.split(" ")
        if words[0].endswith("mio-lite") and "batch" in words[1:2] and found.seconds >= 0.4:
            return found
    return None


def wait_for(what, condition, limit=LIMIT, program=None):
    """The first value of a condition that is one; there is none once the program has ended."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        if program is not None and program.poll() is not None:
            raise AssertionError(f"the program has ended with status {program.returncode}, without {what}")
        time.sleep(0.05)
    raise AssertionError(f"{limit} s have passed without {what}")


def requests(with_seeds=False):
    """Speech, recordings to be written down, and a row that is wrong, as lines of a batch."""
    rows = []
    for number in range(1, 17):
        body = {"input": f"This is sentence number {number} of the book.", "response_format": "wav"}
        if with_seeds:
            body["seed"] = ray_example().seed(0, f"s{number}")
        rows.append({"custom_id": f"s{number}", "method": "POST", "url": "/v1/audio/speech", "body": body})
    if not with_seeds:
        for number in range(1, 8):
            body = {"file": f"{number}.flac"}
            rows.insert(2 * number, {"custom_id": f"h{number}", "url": "/v1/audio/transcriptions", "body": body})
        rows.insert(5, {"custom_id": "wrong", "url": "/v1/audio/speech", "body": {}})
    return "".join(json.dumps(row) + "\n" for row in rows)


def ray_example():
    """examples/ray/speak.py as a module."""
    spec = importlib.util.spec_from_file_location("speak", HERE / "ray/speak.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


class Engines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="mio-engines-"))
        cls.addClassCleanup(shutil.rmtree, cls.work, ignore_errors=True)
        cls.media = cls.work / "media"
        cls.media.mkdir()
        for number in range(1, 8):
            words = f"The visitor number {number} came in the morning."
            command = ["mio-lite", "tts", words, "-o", str(cls.media / f"{number}.flac"), "--seed", str(number), "-q"]
            subprocess.run(command, check=True)
        cls.requests = cls.work / "requests.jsonl"
        cls.requests.write_text(requests())
        cls.options = ["--media", str(cls.media), "--seed", "5"]
        cls.whole = cls.undivided(cls.requests, cls.options)
        assert cls.whole.count(b"\n") == 24, "the undivided batch answers all rows"

    @classmethod
    def undivided(cls, path, options):
        output = cls.work / (path.name + ".whole")
        done = subprocess.run(["mio-lite", "batch", str(path), "-o", str(output), "-q", *options], stderr=subprocess.DEVNULL)
        assert done.returncode in (0, 1)
        return output.read_bytes()

    def begin(self, *command, **environment):
        """Starts a program whose words go to a log, which is shown if the test fails."""
        log = self.work / f"{self.id().rpartition('.')[2]}-{pathlib.Path(command[0]).name}.log"
        with log.open("wb") as output:
            program = subprocess.Popen(
                [str(word) for word in command], stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                cwd=self.work, env={**os.environ, **environment})
        self.addCleanup(self.end, program, log)
        return program, log

    def end(self, program, log):
        if program.poll() is None:
            program.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                program.wait(20)
            program.kill()
            program.wait()
        if not self.succeeded():
            print(f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}", file=sys.stderr)

    def succeeded(self):
        result = self._outcome.result
        return not any(case is self for case, _ in result.failures + result.errors) if result else True

    def kill(self, victim):
        """Ends a process as a power cut does, while it works."""
        command = victim.command
        self.assertGreater(victim.seconds, 0, "the worker has ended by itself")
        os.kill(victim.number, signal.SIGKILL)
        print(f"killed in the middle: {command[:70]}", file=sys.stderr)

    def finish(self, program, log, statuses=(0,)):
        self.assertIn(program.wait(LIMIT), statuses, log.read_text(errors="replace")[-6000:])

    def assert_whole(self, parts):
        found = b"".join(part.read_bytes() for part in sorted(parts))
        self.assertEqual(len(found), len(self.whole))
        self.assertTrue(found == self.whole, "the parts, one behind the other, are not the undivided batch")

    def test_parallel(self):
        parts = self.work / "parallel"
        program, log = self.begin(HERE / "parallel/answer", self.requests, parts, 3, "-j", 2, "--", "-t", 1, *self.options)
        self.kill(wait_for("a shard that is worked on", answering, program=program))
        # The row that is wrong is one, however often.
        self.finish(program, log, statuses=(1,))
        self.assert_whole(parts.glob("part-*.jsonl"))

    def test_dask(self):
        answers = self.work / "dask"
        program, log = self.begin(
            sys.executable, HERE / "dask/answer.py", self.requests, answers, "--workers", 2, "--block", "600B", *self.options)
        worker = wait_for("a block that is worked on", answering, program=program).parent
        self.kill(worker)
        self.finish(program, log)
        self.assertRegex(log.read_text(), r"[Rr]estarting worker|died unexpectedly|KilledWorker|[Rr]emoving worker")
        self.assertGreater(len(list(answers.iterdir())), 2)
        self.assert_whole(answers.glob("part-*.jsonl"))

    def test_spark(self):
        answers = self.work / "spark"
        program, log = self.begin(
            pathlib.Path(sys.executable).parent / "spark-submit", "--master", "local-cluster[2,1,1024]",
            HERE / "spark/answer.py", self.requests, answers, "--partitions", 4, *self.options,
            PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
        executor = wait_for("a partition that is worked on", answering, program=program)
        while "CoarseGrainedExecutorBackend" not in executor.command:
            executor = executor.parent
        self.kill(executor)
        self.finish(program, log)
        self.assertIn("Lost executor", log.read_text())
        self.assertGreater(len(list(answers.glob("part-*.txt"))), 2)
        self.assert_whole(answers.glob("part-*.txt"))

    def test_ray(self):
        rows = [json.loads(line) for line in requests(with_seeds=True).splitlines()]
        texts, recordings, seeded = self.work / "texts.jsonl", self.work / "recordings", self.work / "seeded.jsonl"
        texts.write_text("".join(json.dumps({"id": row["custom_id"], "text": row["body"]["input"]}) + "\n" for row in rows))
        seeded.write_text(requests(with_seeds=True))
        program, log = self.begin(
            sys.executable, HERE / "ray/speak.py", texts, recordings, "--actors", 2, "--rows", 4, RAY_DEDUP_LOGS="0")

        def actor():
            if not recordings.is_dir() or not any(recordings.glob("*.wav")):
                return None
            return next((found for found in Process.ours() if "ray::" in found.command and found.has_model), None)

        self.kill(wait_for("an actor that has spoken", actor, program=program))
        self.assertLess(len(list(recordings.glob("*.wav"))), len(rows))
        self.finish(program, log)
        for line in self.undivided(seeded, []).splitlines():
            row = json.loads(line)
            data = base64.b64decode(row["response"]["body"]["data"])
            self.assertTrue((recordings / f"{row['custom_id']}.wav").read_bytes() == data, row["custom_id"])
        self.assertEqual(len(list(recordings.iterdir())), len(rows))

    def test_slurm(self):
        slurm = self.slurm()
        parts = self.work / "slurm"
        submitted = subprocess.run(
            ["sbatch", "--parsable", "--array=1-3", "--output", self.work / "slurm-%a.log", HERE / "slurm/answer.sbatch",
             self.requests, parts, "3", *self.options],
            env=slurm, cwd=self.work, stdout=subprocess.PIPE, check=True, text=True)
        job = submitted.stdout.strip()
        self.kill(wait_for("a shard that is worked on", answering))

        def show():
            return subprocess.run(["scontrol", "show", "job", job], env=slurm, stdout=subprocess.PIPE, text=True).stdout

        def is_done():
            states = [word.partition("=")[2] for word in show().split() if word.startswith("JobState=")]
            return len(states) == 3 and not {"PENDING", "RUNNING", "COMPLETING", "REQUEUED"} & set(states)

        wait_for("another start of the job", lambda: "Restarts=1" in show())
        # Slurm would wait for two minutes.
        subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now"], env=slurm, stderr=subprocess.DEVNULL)
        wait_for("the end of the array", is_done)
        self.assert_whole(parts.glob("part-*.jsonl"))

    def slurm(self):
        """A cluster of one node, whose daemons end with the test; returns the environment of its clients."""
        home = self.work / "cluster"
        for name in ("state", "spool"):
            (home / name).mkdir(parents=True)
        # munged wants its socket to be reached by everyone, and its key by nobody.
        for folder in (self.work, home):
            folder.chmod(0o711)
        key = home / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        ports = []
        for _ in range(2):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                ports.append(free.getsockname()[1])
        host, user = socket.gethostname(), getpass.getuser()
        configuration = home / "slurm.conf"
        configuration.write_text(f"""\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
MinJobAge=3600
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=all Nodes={host} Default=YES
""")
        self.begin(
            "munged", "--foreground", "--force", "--num-threads=2", f"--key-file={key}", f"--socket={home}/munge.socket",
            f"--pid-file={home}/munged.pid", f"--log-file={home}/munged.log", f"--seed-file={home}/munged.seed")
        wait_for("munged", (home / "munge.socket").exists, 30)
        environment = {**os.environ, "SLURM_CONF": str(configuration)}
        self.begin("slurmctld", "-D", "-c", "-f", configuration, SLURM_CONF=str(configuration))
        self.begin("slurmd", "-D", "-c", "-f", configuration, "-N", host, SLURM_CONF=str(configuration))

        def is_up():
            told = subprocess.run(["sinfo", "-h", "-o", "%t"], env=environment, stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.DEVNULL)
            return told.stdout.strip() == "idle"

        wait_for("a node that is ready", is_up, 60)
        return environment


if __name__ == "__main__":
    unittest.main()
