"""What answering rows together gives: `mio-lite batch` with one request at a time and with several, in turns, per task.

    python3 bench/batch.py --mio .build/release/mio-lite -m FILE.mio [--parallel 16] [--rows 16] [--rounds 3] [--tasks chat,tts,asr]

Both ways must give the same bytes, or the figures are void. Times are of the whole command; opening the file and its first use are
measured with a batch of one row and taken off. Random weights do: rows are as long as the same seed makes them both times.
"""

import argparse
import json
import math
import os
import statistics
import struct
import subprocess
import tempfile
import time
import wave

WORDS = "the old boat lay in the quiet harbour while a small dog watched the grey water and waited for rain".split()


def recording(path: str, seconds: float, pitch: float) -> None:
    """Something between a voice and a chord, so that nothing takes it for silence."""
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        samples = (0.3 * math.sin(pitch * i / 16000 * math.tau) * (1 + math.sin(3 * i / 16000 * math.tau)) for i in range(int(16000 * seconds)))
        file.writeframes(b"".join(struct.pack("<h", int(12000 * sample)) for sample in samples))


def body(task: str, row: int, folder: str, arguments) -> tuple[str, dict]:
    text = " ".join(WORDS[(3 * row + i) % len(WORDS)] for i in range(8))
    if task == "chat":
        return "/v1/chat/completions", {"messages": [{"role": "user", "content": text}], "max_tokens": arguments.tokens, "temperature": 1}
    if task == "tts":
        return "/v1/audio/speech", {"input": text, "response_format": "pcm"}
    path = os.path.join(folder, f"{row}.wav")
    recording(path, arguments.sound, 110 + 7 * row)
    return "/v1/audio/transcriptions", {"file": os.path.basename(path)}


def run(arguments, requests: str, output: str, parallel: int, folder: str) -> float:
    command = [arguments.mio, "batch", requests, "-o", output, "--overwrite", "-m", arguments.model, "--parallel", str(parallel),
               "--media", folder, "--seed", "1", "-q"] + (["-t", str(arguments.threads)] if arguments.threads else [])
    begun = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description="What answering rows together gives.")
    parser.add_argument("--mio", required=True)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--parallel", type=int, default=16)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--tokens", type=int, default=64, help="of an answer in a chat")
    parser.add_argument("--sound", type=float, default=3, help="seconds of a recording")
    parser.add_argument("--tasks", default="chat,tts,asr")
    arguments = parser.parse_args()
    print("| task | rows per second, one at a time | together | times as many |\n| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for task in arguments.tasks.split(","):
            requests = []
            for count in (1, arguments.rows):
                requests.append(os.path.join(folder, f"{task}-{count}.jsonl"))
                with open(requests[-1], "w") as file:
                    for row in range(count):
                        url, content = body(task, row, folder, arguments)
                        file.write(json.dumps({"custom_id": str(row), "method": "POST", "url": url, "body": content}) + "\n")
            paces, answers = {1: [], arguments.parallel: []}, set()
            for _ in range(arguments.rounds):
                for parallel in paces:
                    output = os.path.join(folder, "out.jsonl")
                    first = run(arguments, requests[0], output, parallel, folder)
                    whole = run(arguments, requests[1], output, parallel, folder)
                    paces[parallel].append((arguments.rows - 1) / max(1e-9, whole - first))
                    with open(output) as file:
                        answers.add(file.read())
            if len(answers) != 1:
                raise SystemExit(f"{task}: answers differ")
            one, many = (sorted(paces[parallel]) for parallel in paces)
            ratios = sorted(b / a for a, b in zip(paces[1], paces[arguments.parallel]))
            print(f"| {task} | {statistics.median(one):.3g} ({one[0]:.3g} - {one[-1]:.3g}) | {statistics.median(many):.3g} "
                  f"({many[0]:.3g} - {many[-1]:.3g}) | {statistics.median(ratios):.2f} ({ratios[0]:.2f} - {ratios[-1]:.2f}) |", flush=True)


if __name__ == "__main__":
    main()
