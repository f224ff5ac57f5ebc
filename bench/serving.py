"""Load on `mio-lite serve`, on this machine only: requests per second, times to the first byte and to the end, and what it holds.

    python3 bench/serving.py --mio .build/release/mio-lite [--chat-model F.mio] [--seconds 10] [--clients 1,8,64]
        [--idle 10000] [--soak-minutes 10] [--json out.json] [--llama-server PATH --gguf F.gguf]

llama.cpp's server takes turns with ours on chat, with weights of the same shapes (bench/peers/make_gguf.py --tokenizer).

Speech and transcription use the shipped model, chat the one that is given. Figures are of a closed loop: every client asks again
when it has its answer. The overhead is a request's time less that of the work it asks for, of requests without work (/health).
"""

import argparse
import asyncio
import json
import os
import re
import resource
import socket
import subprocess
import time

SPEECH = {"input": "good morning", "seed": 1, "response_format": "pcm"}
CHAT = {"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 32, "seed": 1, "temperature": 1, "stream": True}


class Server:
    """A started server, its port and what it holds."""

    def __init__(self, program: str, model: str | None):
        command = [program, "serve", "--port", "0"] + (["-m", model] if model else [])
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r"listening at .*:(\d+)$", line):
                self.port = int(found[1])
            if "is a page" in line:
                break
        # The log has to go somewhere.
        self.drain = asyncio.get_running_loop().run_in_executor(None, lambda: [None for _ in self.process.stderr])

    def rss_mb(self) -> float:
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Peer:
    """llama.cpp's server; as many requests at a time as ours takes."""

    def __init__(self, program: str, model: str, threads: int):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [program, "-m", model, "--port", str(self.port), "-np", "8", "-c", "8192", "-t", str(threads), "--no-webui"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    async def ready(self) -> None:
        for _ in range(600):
            try:
                await ask(self.port, request("/health", None))
                return
            except (OSError, AssertionError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)
        raise RuntimeError("the peer does not answer")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def request(path: str, body: bytes | None, kind: str = "application/json") -> bytes:
    if body is None:
        return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    return f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def form(sound: bytes) -> tuple[bytes, str]:
    mark = "boundary"
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    return head.encode() + sound + f"\r\n--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}"


async def answer(reader: asyncio.StreamReader) -> tuple[int, float, bytes]:
    """Status, when the first byte of the body came, and the body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    status = int(head.split()[1])
    if "transfer-encoding: chunked" in head:
        body, first = b"", 0.0
        while size := int(await reader.readuntil(b"\r\n"), 16):
            first = first or time.perf_counter()
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return status, first or time.perf_counter(), body
    length = int(re.search(r"content-length: (\d+)", head)[1])
    first = time.perf_counter()
    return status, first, await reader.readexactly(length)


async def ask(port: int, message: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(message)
    status, _, body = await answer(reader)
    writer.close()
    assert status == 200, body[:200]
    return body


async def load(port: int, message: bytes, clients: int, seconds: float) -> dict:
    """Clients that ask again and again."""
    firsts, wholes, refused = [], [], 0
    end = time.perf_counter() + seconds

    async def client() -> None:
        nonlocal refused
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            begun = time.perf_counter()
            writer.write(message)
            try:
                status, first, _ = await answer(reader)
            except asyncio.IncompleteReadError as error:
                # Some servers close after a stream, which is no answer to what was asked since.
                if error.partial or not wholes:
                    raise
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                continue
            if status == 503:
                refused += 1
                await asyncio.sleep(0.05)
                continue
            assert status == 200, status
            firsts.append(first - begun)
            wholes.append(time.perf_counter() - begun)
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    took = time.perf_counter() - begun

    def ms(times: list[float], share: float) -> float:
        return round(1000 * sorted(times)[min(len(times) - 1, int(share * len(times)))], 1)

    return {"clients": clients, "per_second": round(len(wholes) / took, 1), "refused": refused,
            "first_ms": [ms(firsts, 0.5), ms(firsts, 0.99)], "whole_ms": [ms(wholes, 0.5), ms(wholes, 0.99)]}


async def idle(server: Server, count: int) -> dict:
    """Connections that say nothing, and a request beside them."""
    before = server.rss_mb()
    connections = []
    for _ in range(count):
        connections.append(await asyncio.open_connection("127.0.0.1", server.port))
    begun = time.perf_counter()
    await ask(server.port, request("/health", None))
    took = 1000 * (time.perf_counter() - begun)
    result = {"connections": count, "kb_each": round(1024 * (server.rss_mb() - before) / count, 1), "health_ms": round(took, 2)}
    for _, writer in connections:
        writer.close()
    return result


async def soak(server: Server, messages: list[bytes], minutes: float) -> dict:
    """Mixed load for a while; memory before, in the middle and at the end."""
    memory = [server.rss_mb()]
    for _ in range(4):
        await asyncio.gather(*(load(server.port, message, 3, minutes * 15) for message in messages))
        memory.append(server.rss_mb())
    return {"minutes": minutes, "rss_mb": [round(m) for m in memory]}


async def main() -> None:
    parser = argparse.ArgumentParser(description="Load on mio-lite serve.")
    parser.add_argument("--mio", required=True)
    parser.add_argument("--chat-model")
    parser.add_argument("--llama-server")
    parser.add_argument("--gguf")
    parser.add_argument("--rounds", type=int, default=1, help="turns that the servers take")
    parser.add_argument("--kinds", default="health,speech,transcription,chat")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", default="1,8,64")
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--soak-minutes", type=float, default=0)
    parser.add_argument("--json")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    speaker, chatter, peer = Server(options.mio, None), None, None
    results: dict = {"cores": os.cpu_count()}
    try:
        speech = request("/v1/audio/speech", json.dumps(SPEECH).encode())
        wav = await ask(speaker.port, request("/v1/audio/speech", json.dumps({**SPEECH, "response_format": "wav"}).encode()))
        transcription = request("/v1/audio/transcriptions", *form(wav))
        kinds = [("health", speaker, request("/health", None)), ("speech", speaker, speech), ("transcription", speaker, transcription)]
        if options.chat_model:
            chatter = Server(options.mio, options.chat_model)
            kinds.append(("chat", chatter, request("/v1/chat/completions", json.dumps(CHAT).encode())))
        if options.llama_server:
            peer = Peer(options.llama_server, options.gguf, os.cpu_count())
            await peer.ready()
            kinds.append(("chat, llama.cpp", peer, request("/v1/chat/completions", json.dumps(CHAT | {"ignore_eos": True}).encode())))
        kinds = [kind for kind in kinds if kind[0].split(",")[0] in options.kinds.split(",")]
        for clients in map(int, options.clients.split(",")):
            for _ in range(options.rounds):
                for name, server, message in kinds:
                    row = await load(server.port, message, clients, options.seconds)
                    results.setdefault(name, []).append(row)
                    print(f"{name:16} {clients:3} clients: {row['per_second']:8} /s, first byte {row['first_ms']} ms, "
                          f"whole {row['whole_ms']} ms (p50, p99), {row['refused']} refused", flush=True)
        if options.idle:
            results["idle"] = await idle(speaker, options.idle)
            print(f"idle: {results['idle']}", flush=True)
        if options.soak_minutes:
            results["soak"] = await soak(speaker, [speech, transcription], options.soak_minutes)
            print(f"soak: {results['soak']}", flush=True)
    finally:
        for server in filter(None, [speaker, chatter, peer]):
            server.stop()
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


asyncio.run(main())
