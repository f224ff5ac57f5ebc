"""Runs a program on a pseudo-terminal and tells what a person would have seen.

Reads one JSON object from standard input:
  arguments, environment, directory   of the program
  columns, rows                       of the terminal
  input, output, errors               "terminal", or "file" (of "given", for input)
  keys                                list of {"after": regular expression, "type": text | "signal": number |
                                      "resize": [columns, rows] | "hangup": true}: what the person does once the expression
                                      is found in what came since the last key
  seconds                             after which the program is ended
and writes another one:
  status      exit status, or the negative number of a signal
  lines       what stands on the terminal in the end, with what was scrolled off it
  raw         what was written to the terminal
  output, errors   what was written to files
  overflows   how often a progress line needed more than its line
  maxBars    most lines that held a progress line at one time
  missed      keys that were never typed
"""

import codecs
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import pyte

ERASE = "\r\x1b[K"
BAR = re.compile(r"\[#*\.*\] \d+ %|^\S* ?\d+ % ")


class Watcher:
    def __init__(self, columns, rows):
        self.screen = pyte.HistoryScreen(columns, rows, history=100_000)
        self.stream = pyte.Stream(self.screen)
        self.overflows = 0
        self.most_bars = 0

    def feed(self, text):
        parts = text.split(ERASE)
        self.stream.feed(parts[0])
        for part in parts[1:]:
            self.stream.feed(ERASE)
            row = self.screen.cursor.y
            line, newline, rest = part.partition("\n")
            self.stream.feed(line)
            if line and BAR.search(line):
                if self.screen.cursor.y != row or self.screen.cursor.x >= self.screen.columns:
                    self.overflows += 1
                shown = sum(1 for shown in self.screen.display if BAR.search(shown))
                self.most_bars = max(self.most_bars, shown)
            self.stream.feed(newline + rest)

    def lines(self):
        def text(line):
            return "".join(line[column].data for column in range(self.screen.columns)).rstrip()

        lines = [text(line) for line in self.screen.history.top] + [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines


def main():
    job = json.load(sys.stdin)
    columns, rows = job.get("columns", 80), job.get("rows", 24)
    master, slave = pty.openpty()

    def resize(columns, rows):
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    resize(columns, rows)
    files = {"output": tempfile.TemporaryFile(), "errors": tempfile.TemporaryFile(), "input": tempfile.TemporaryFile()}
    files["input"].write(job.get("given", "").encode())
    files["input"].seek(0)

    def end(name):
        return slave if job.get(name, "terminal") == "terminal" else files[name]

    def own_the_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        job["arguments"], stdin=end("input"), stdout=end("output"), stderr=end("errors"), env=job.get("environment", {}),
        cwd=job.get("directory"), preexec_fn=own_the_terminal, close_fds=True)
    os.close(slave)
    watcher = Watcher(columns, rows)
    raw, since = b"", ""
    keys = list(job.get("keys", []))
    deadline = time.monotonic() + job.get("seconds", 60)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        while keys and master is not None and re.search(keys[0]["after"], since, re.S):
            key = keys.pop(0)
            since = ""
            if "type" in key:
                os.write(master, key["type"].encode())
            if "signal" in key:
                os.kill(process.pid, key["signal"])
            if "resize" in key:
                resize(*key["resize"])
                watcher.screen.resize(key["resize"][1], key["resize"][0])
            if "hangup" in key:
                os.close(master)
                master = None
        if master is None or time.monotonic() > deadline:
            break
        ready, _, _ = select.select([master], [], [], 0.05)
        if ready:
            try:
                block = os.read(master, 1 << 16)
            except OSError:
                break
            if not block:
                break
            raw += block
            new = decoder.decode(block)
            since += new
            watcher.feed(new)
        elif process.poll() is not None:
            break
    try:
        status = process.wait(timeout=max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    for file in files.values():
        file.seek(0)
    json.dump(
        {
            "status": status,
            "lines": watcher.lines(),
            "raw": raw.decode("utf-8", "replace"),
            "output": files["output"].read().decode("utf-8", "replace"),
            "errors": files["errors"].read().decode("utf-8", "replace"),
            "overflows": watcher.overflows,
            "maxBars": watcher.most_bars,
            "missed": len(keys),
        },
        sys.stdout)


main()
