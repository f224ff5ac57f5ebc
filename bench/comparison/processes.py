"""Runs programs and says how long they took and how much memory they held; keeps processors busy."""
import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass


class Failed(Exception):
    """A program that failed or took too long."""


class TimeIsUp(Exception):
    """The time that the whole command was given is over."""


@dataclass
class Run:
    output: str
    errors: str
    seconds: float  # from the start to the last output
    peak_bytes: int


class Runner:
    """Starts programs behind a common prefix, such as `taskset -c 0,1`, and ends those that take too long."""

    def __init__(self, prefix=(), timeout=300.0, seconds=None):
        self.prefix, self.timeout = list(prefix), timeout
        self.end = None if seconds is None else time.monotonic() + seconds

    @staticmethod
    def clock():
        return time.monotonic()

    def left(self):
        """Seconds that are left for everything."""
        return float("inf") if self.end is None else self.end - time.monotonic()

    def run(self, command, environment=None):
        """Runs a program with further variables of the environment."""
        limit = min(self.timeout, self.left())
        if limit <= 0:
            raise TimeIsUp
        # Some peers leave a log where they run.
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryDirectory() as folder:
            start = time.monotonic()
            try:
                process = subprocess.Popen(
                    self.prefix + command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, cwd=folder,
                    start_new_session=True, env={**os.environ, **(environment or {})})
            except OSError as error:
                raise Failed(f"{command[0]}: {error.strerror}") from error
            timer = threading.Timer(limit, self.end_all, [process])
            timer.start()
            try:
                output, seconds = self.read(process.stdout, start)
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                self.end_all(process)
                raise
            finally:
                timer.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
            errors.seek(0)
            texts = [text.decode(errors="replace") for text in (output, errors.read())]
        if process.returncode != 0:
            if time.monotonic() - start >= limit:
                if limit < self.timeout:
                    raise TimeIsUp
                raise Failed(f"no result in {self.timeout:.0f} s")
            last = (texts[1].strip().splitlines() or ["no message"])[-1]
            print(f"{shlex.join(command)}\n{texts[1][-2000:]}", file=sys.stderr)
            raise Failed(f"{ending(process.returncode)}: {last[:120]}")
        return Run(*texts, seconds, usage.ru_maxrss * 1024)

    @staticmethod
    def end_all(process):
        """Ends a program and those that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    @staticmethod
    def read(stream, start):
        """All output, and how many seconds after the start the last of it came."""
        output, seconds = b"", 0.0
        with stream:
            while part := os.read(stream.fileno(), 1 << 16):
                output += part
                seconds = time.monotonic() - start
        return output, seconds


def ending(status):
    """How a program ended that did not end well."""
    if status >= 0:
        return f"status {status}"
    try:
        return f"ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"ended by signal {-status}"


@contextlib.contextmanager
def busy_neighbours(count):
    """Keeps `count` processes counting for nothing."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5 if count else 0)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
