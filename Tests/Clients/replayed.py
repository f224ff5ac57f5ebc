"""What clients send that pip does not install, sent again: LibreChat, SillyTavern, openai-node, curl.

    python replayed.py SPEAKER_PORT WHOLE_PORT

Headers, their order, a form's parts and a body's pieces are those that axios 1.2, form-data 4.0, node-fetch 3.3 and the fetch
of Node 20 put on the wire; the fields are those of the clients' sources (LibreChat 0.8.1-rc2, SillyTavern 1.13, its chat 1.12). Each trial asserts
what the client reads of the answer. Only the standard library is needed. Prints a line per thing tried and ends with status 1
if one failed.
"""

import base64
import http.client
import json
import socket
import sys
import time

SPEAKER, WHOLE = (int(argument) for argument in sys.argv[1:3])
WORDS = "good morning"
# One pixel.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="

JSON = ["Content-Type: application/json"]
AXIOS = ["Accept: application/json, text/plain, */*"]
AXIOS_END = ["User-Agent: axios/1.2.1", "Accept-Encoding: gzip, compress, deflate, br"]
# node-fetch 3: names of headers in small letters, one request a connection.
NODE_FETCH = ["accept: */*", "accept-encoding: gzip, deflate, br", "connection: close", "user-agent: node-fetch"]
# openai-node 5.19 through Node's own fetch.
OPENAI_NODE = ["connection: keep-alive", "Accept: application/json", "Content-Type: application/json", "User-Agent: OpenAI/JS 5.19.0",
               "X-Stainless-Retry-Count: 0", "X-Stainless-Lang: js", "X-Stainless-Package-Version: 5.19.0", "X-Stainless-OS: Linux",
               "X-Stainless-Arch: x64", "X-Stainless-Runtime: node", "X-Stainless-Runtime-Version: v20.20.2",
               "Authorization: Bearer any", "accept-language: *", "sec-fetch-mode: cors", "accept-encoding: gzip, deflate"]


class Answer:
    def __init__(self, connection: socket.socket, method: str = "POST"):
        answer = http.client.HTTPResponse(connection, method=method)
        answer.begin()
        self.status, self.headers, self.bytes = answer.status, answer.headers, answer.read()

    def json(self):
        assert self.headers["content-type"].startswith("application/json"), self.headers["content-type"]
        return json.loads(self.bytes)

    def text(self) -> str:
        return self.bytes.decode()

    def events(self) -> list:
        """What comes between `data: ` and the blank line, as the clients' readers cut it; the last one is `[DONE]`."""
        assert self.status == 200 and self.headers["content-type"].startswith("text/event-stream"), self.bytes
        lines = [line[6:] for line in self.text().split("\n") if line.startswith("data: ")]
        assert lines[-1] == "[DONE]", lines[-1]
        return [json.loads(line) for line in lines[:-1]]

    def message(self) -> str:
        """What every client shows of a refusal."""
        error = self.json()["error"]
        assert self.status >= 400 and error["message"] and (error["code"] is None or isinstance(error["code"], str)), error
        return error["message"]


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=120)


def head(port: int, method: str, path: str, headers: list) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers, "", ""]).encode()


def send(port: int, path: str, headers: list, body: bytes = b"", method: str = "POST") -> Answer:
    length = [f"Content-Length: {len(body)}"] if method == "POST" else []
    with connect(port) as c:
        c.sendall(head(port, method, path, headers + length) + body)
        return Answer(c, method)


def send_pieces(port: int, path: str, headers: list, pieces: list) -> Answer:
    """A body of unknown length: a chunk a piece, each written on its own."""
    with connect(port) as c:
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c.sendall(head(port, "POST", path, headers + ["Transfer-Encoding: chunked"]))
        for piece in pieces + [b""]:
            c.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        return Answer(c)


def form(boundary: str, parts: list) -> list:
    """form-data's pieces: for each part its head, its value, and the line's end, which the last part has with the form's end."""
    pieces = []
    for name, value, more in parts:
        pieces.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode())
        pieces.append(value if isinstance(value, bytes) else value.encode())
        pieces.append(b"\r\n")
    pieces[-1] += f"--{boundary}--\r\n".encode()
    return pieces


def is_mp3(data: bytes) -> bool:
    """Frames from the first byte on: no ID3, no Xing frame, so replies can be put one after the other."""
    return data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and b"Xing" not in data[:200] and b"Info" not in data[:200]


def spoken(text: str = WORDS, form: str = "wav") -> bytes:
    return send(SPEAKER, "/v1/audio/speech", JSON, json.dumps({"input": text, "response_format": form, "seed": 1}).encode()).bytes


def chat(fields: dict, headers: list = JSON, port: int = WHOLE) -> Answer:
    body = {"model": "mio", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6, "seed": 1, **fields}
    return send(port, "/v1/chat/completions", headers, json.dumps(body).encode())


# LibreChat: axios, with form-data for files; chat through openai-node.

def seconds(sound: bytes) -> float:
    body = form("b", [("file", sound, '; filename="a.mp3"'), ("response_format", "verbose_json", "")])
    return send_pieces(SPEAKER, "/v1/audio/transcriptions", ["Content-Type: multipart/form-data; boundary=b"], body).json()["duration"]


def librechat_speech() -> None:
    # A long text is said in parts, and the replies are written to the browser one after the other as one MP3. Without a seed, what is
    # said differs from time to time, but all of it is there.
    whole, parts = b"", 0.0
    for part in [WORDS, "good night"]:
        answer = send(SPEAKER, "/v1/audio/speech", AXIOS + JSON + ["Authorization: Bearer any"] + AXIOS_END,
                      json.dumps({"input": part, "model": "tts-1", "voice": "alloy"}).encode())
        assert answer.status == 200 and answer.headers["content-type"] == "audio/mpeg" and is_mp3(answer.bytes)
        assert answer.headers["content-encoding"] is None
        whole += answer.bytes
        parts += seconds(answer.bytes)
    assert parts > 0.8 and abs(seconds(whole) - parts) < 0.1, (seconds(whole), parts)
    assert "text" in librechat_form(whole, "audio.mp3", "audio/mpeg").json()
    # Its LocalAI way: the voice is sent as the model, and no key.
    assert is_mp3(send(SPEAKER, "/v1/audio/speech", AXIOS + JSON + AXIOS_END,
                       json.dumps({"input": WORDS, "model": "demo", "backend": "piper"}).encode()).bytes)


def librechat_form(sound: bytes, name: str, kind: str) -> Answer:
    boundary = "--------------------------392039776010749286213240"
    pieces = form(boundary, [("file", sound, f'; filename="{name}"\r\nContent-Type: {kind}'), ("model", "whisper-1", ""),
                             ("language", "en", "")])
    return send_pieces(SPEAKER, "/v1/audio/transcriptions", AXIOS + [f"Content-Type: multipart/form-data; boundary={boundary}",
                       "Authorization: Bearer any"] + AXIOS_END + ["Connection: keep-alive"], pieces)


def librechat_transcription() -> None:
    answer = librechat_form(spoken(), "audio.wav", "audio/wave")
    assert answer.status == 200 and answer.json()["text"].strip() == WORDS
    # A damaged recording of a browser: the refusal says what is wrong.
    refused = librechat_form(b"\x1a\x45\xdf\xa3" + bytes(2000), "audio.webm", "audio/webm")
    assert refused.status == 400 and refused.message()


def librechat_chat() -> None:
    listed = send(WHOLE, "/v1/models", AXIOS + ["Authorization: Bearer any"] + AXIOS_END, method="GET").json()["data"]
    assert [model["id"] for model in listed] == ["mio"]
    messages = [{"role": "system", "content": ""}, {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Hi."},
                {"role": "user", "content": [{"type": "text", "text": "What is this?"},
                 {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL, "detail": "auto"}}]}]
    body = {"model": "mio", "temperature": 0.7, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0, "user": "6650a1",
            "stream": True, "stream_options": {"include_usage": True}, "messages": messages}
    chunks = chat(body, OPENAI_NODE).events()
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert chunks[-2]["choices"][0]["finish_reason"] in ("stop", "length")
    usage = chunks[-1]["usage"]
    assert chunks[-1]["choices"] == [] and usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    # A conversation's title.
    title = chat({"messages": messages[1:3], "temperature": 0.2, "stream": False}, OPENAI_NODE).json()
    assert title["choices"][0]["message"]["content"] is not None


def librechat_images() -> None:
    body = {"model": "gpt-image-1", "prompt": "a tree", "n": 1, "background": "auto", "output_format": "png", "quality": "auto",
            "size": "auto", "steps": 2}
    drawn = send(WHOLE, "/v1/images/generations", OPENAI_NODE, json.dumps(body).encode()).json()["data"][0]["b64_json"]
    png = base64.b64decode(drawn)
    assert png.startswith(b"\x89PNG")
    boundary = "--------------------------515890814546601021194782"
    pieces = form(boundary, [("model", "gpt-image-1", ""), ("prompt", "make it night", ""), ("quality", "auto", ""), ("size", "auto", ""),
                             ("steps", "2", ""), ("image[]", png, '; filename="a.png"\r\nContent-Type: image/png')])
    edited = send_pieces(WHOLE, "/v1/images/edits", AXIOS + [f"content-type: multipart/form-data; boundary={boundary}",
                         "Authorization: Bearer any"] + AXIOS_END, pieces).json()
    assert base64.b64decode(edited["data"][0]["b64_json"]).startswith(b"\x89PNG")


# SillyTavern: node-fetch, with form-data for files.

def sillytavern_speech() -> None:
    # No key: it sends the name of the scheme and nothing after it.
    for speed in [1, 0.25, 4]:
        body = {"input": WORDS, "response_format": "mp3", "voice": "nova", "speed": speed, "model": "tts-1"}
        answer = send(SPEAKER, "/v1/audio/speech", ["authorization: Bearer ", "content-type: application/json"] + NODE_FETCH,
                      json.dumps(body).encode())
        assert answer.status == 200 and is_mp3(answer.bytes), answer.bytes[:300]
    # Of a message that has nothing to say it sends an empty text; it shows what the refusal says.
    refused = send(SPEAKER, "/v1/audio/speech", JSON + NODE_FETCH, json.dumps({**body, "input": ""}).encode())
    assert refused.status == 400 and refused.message()


def sillytavern_transcription() -> None:
    boundary = "--------------------------067fe918-c4ca-4da6-b585-de2aba8b84af"
    pieces = form(boundary, [("file", spoken(), '; filename="audio.wav"\r\nContent-Type: audio/wav'), ("model", "whisper-1", "")])
    answer = send_pieces(SPEAKER, "/v1/audio/transcriptions",
                         ["authorization: Bearer any", f"content-type: multipart/form-data; boundary={boundary}"] + NODE_FETCH, pieces)
    assert answer.status == 200 and answer.json()["text"] == WORDS


def sillytavern_caption() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "What's in this image?"},
                 {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}}]}]
    answer = chat({"messages": messages}, ["content-type: application/json", "authorization: Bearer undefined"] + NODE_FETCH)
    assert answer.json()["choices"][0]["message"]["content"]


def sillytavern_chat() -> None:
    headers = ["authorization: Bearer ", "content-type: application/json"] + NODE_FETCH
    assert send(WHOLE, "/v1/models", headers[:1] + NODE_FETCH, method="GET").json()["data"][0]["id"]
    # Names of speakers, several system messages, the last word given to the assistant; the fields it always sends.
    messages = [{"role": "system", "content": "Write Ada's next reply."}, {"role": "system", "content": "[Start a new Chat]"},
                {"role": "assistant", "content": "Hello.", "name": "Ada"}, {"role": "user", "content": "Who are you?"},
                {"role": "system", "content": "Stay in character."}]
    body = {"messages": messages, "temperature": 1, "max_tokens": 12, "stream": True, "presence_penalty": 0, "frequency_penalty": 0,
            "top_p": 1, "top_k": 0, "stop": [], "logit_bias": {}, "seed": 3, "n": 1}
    deltas = [chunk["choices"][0]["delta"].get("content", "") for chunk in chat(body, headers).events()]
    whole = chat({**body, "stream": False}, headers).json()["choices"][0]
    assert "".join(deltas).strip() == whole["message"]["content"] and whole["finish_reason"] in ("stop", "length")
    # It shows `error.message`.
    assert "nothing" in chat({"model": "nothing"}, headers).message()


# openai-node, and what other clients send.

def openai_node_form() -> None:
    # Node's own form: the text first, the length known.
    boundary = "----formdata-undici-027222869104"
    body = b"".join(form(boundary, [("model", "whisper-1", ""), ("response_format", "verbose_json", ""),
                                    ("timestamp_granularities[]", "segment", ""),
                                    ("file", spoken(), '; filename="audio.wav"\r\nContent-Type: audio/wav')]))
    headers = [h for h in OPENAI_NODE if not h.startswith("Content-Type")] + [f"content-type: multipart/form-data; boundary={boundary}"]
    answer = send(SPEAKER, "/v1/audio/transcriptions", headers, body).json()
    assert answer["text"] == WORDS and answer["segments"][0]["text"] == WORDS


def small_letters() -> None:
    # Names of a part's headers in small letters, no quotes around the name, a file name of RFC 5987, lines around the form.
    boundary = "x"
    body = (f"before\r\n--{boundary}\r\ncontent-disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--{boundary}\r\n"
            "content-type: application/octet-stream\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"; "
            "filename*=UTF-8''%C3%A4.wav\r\ncontent-transfer-encoding: binary\r\n\r\n").encode() + spoken() + b"\r\n--x--\r\nafter"
    answer = send(SPEAKER, "/v1/audio/transcriptions", [f'content-type: multipart/form-data; boundary="{boundary}"'], body)
    assert answer.status == 200 and answer.json()["text"] == WORDS, answer.text()


def curl_waits() -> None:
    # curl sends a body of more than 1 MB only once it has been told to.
    body = b"".join(form("------------------------d74496d66958873e", [
        ("model", "whisper-1", ""), ("file", spoken("good morning " * 60), '; filename="a.wav"\r\nContent-Type: audio/wav')]))
    assert len(body) > 1_000_000
    headers = ["User-Agent: curl/7.88.1", "Accept: */*", f"Content-Length: {len(body)}",
               "Content-Type: multipart/form-data; boundary=------------------------d74496d66958873e", "Expect: 100-continue"]
    with connect(SPEAKER) as c:
        c.sendall(head(SPEAKER, "POST", "/v1/audio/transcriptions", headers))
        began = time.monotonic()
        assert c.recv(25, socket.MSG_WAITALL) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert time.monotonic() - began < 1  # later than that curl goes on by itself
        c.sendall(body)
        answer = Answer(c)
        assert answer.status == 200 and "morning" in answer.json()["text"]


def empty_fields() -> None:
    words = [{"role": "system", "content": ""}, {"role": "user", "content": "Hello"}]
    for name, fields in {
        "max_tokens null": {"max_tokens": None, "max_completion_tokens": 6, "stop": None, "temperature": None, "n": None, "logprobs": None,
                            "top_logprobs": None, "response_format": None, "tools": None, "tool_choice": None, "stream": None,
                            "stream_options": None, "logit_bias": None, "user": None, "metadata": None, "seed": None},
        "no tools": {"tools": [], "tool_choice": "none", "parallel_tool_calls": True, "functions": []},
        "tool_choice auto": {"tools": [], "tool_choice": "auto"},
        "answer of text": {"response_format": {"type": "text"}, "modalities": ["text"], "logprobs": False, "store": False,
                           "service_tier": "auto"},
        "empty system": {"messages": words},
        "content null": {"messages": words + [{"role": "assistant", "content": None}, {"role": "user", "content": "And now?"}]},
        "empty answer": {"messages": words + [{"role": "assistant", "content": "", "refusal": None, "audio": None, "tool_calls": None},
                                              {"role": "user", "content": "And now?"}]},
        "developer": {"messages": [{"role": "developer", "content": "Be brief."}] + words[1:]},
        "parts": {"messages": [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}] + words[1:]},
        "last word": {"messages": words + [{"role": "assistant", "content": "I am"}]},
        "unknown": {"min_p": 0.1, "chat_template_kwargs": {"enable_thinking": False}, "keep_alive": "5m", "repeat_penalty": 1.1},
    }.items():
        answer = chat({"messages": words, **fields})
        assert answer.status == 200, f"{name}: {answer.text()}"
        assert answer.json()["choices"][0]["message"]["role"] == "assistant", name


def stream_options() -> None:
    for options, told in [({"include_usage": True}, True), ({"include_usage": False}, False), ({}, False), (None, False)]:
        chunks = chat({"stream": True, "stream_options": options}).events()
        assert (chunks[-1]["choices"] == [] and bool(chunks[-1].get("usage"))) == told, options
        assert all(chunk["choices"] for chunk in chunks[:-1])


def names() -> None:
    # Routers put a provider before the name; a name with a slash is no path.
    refused = chat({"model": "someone/mio-7b"})
    assert refused.status == 404 and "someone/mio-7b" in refused.message()
    refused = send(WHOLE, "/v1/models/someone%2Fmio-7b", [], method="GET")
    assert refused.status == 404 and refused.message()
    assert send(WHOLE, "/v1/models/mio", [], method="GET").json()["id"] == "mio"
    for name in ["gpt-4o-mini", "gpt-4o-audio-preview"]:
        assert chat({"model": name}).status == 200


def upgrade() -> None:
    # Java's client asks for HTTP/2 along with its first request; a server that has none answers as always.
    headers = ["Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAABgAGAAA", "Upgrade: h2c",
               "User-Agent: Java-http-client/21.0.1"] + JSON
    assert chat({}, headers).json()["choices"][0]["message"]["role"] == "assistant"


def kept() -> None:
    # Node and aiohttp keep a connection: request after request, each one's answer whole.
    body = json.dumps({"model": "mio", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3, "seed": 1}).encode()
    request = head(WHOLE, "POST", "/v1/chat/completions", OPENAI_NODE + [f"Content-Length: {len(body)}"]) + body
    with connect(WHOLE) as c:
        answers = []
        for _ in range(3):
            c.sendall(request)
            answers.append(Answer(c).json()["choices"])
        c.sendall(head(WHOLE, "GET", "/health", []))
        assert Answer(c, "GET").status == 200
    assert answers[0] == answers[1] == answers[2]


failed = False
for trial in [librechat_speech, librechat_transcription, librechat_chat, librechat_images, sillytavern_speech, sillytavern_transcription,
              sillytavern_caption, sillytavern_chat, openai_node_form, small_letters, curl_waits, empty_fields, stream_options, names,
              upgrade, kept]:
    try:
        trial()
        print(f"{trial.__name__}: works")
    except Exception as error:  # every trial is told, whatever happens
        failed = True
        print(f"{trial.__name__}: FAILED: {type(error).__name__}: {error}")
sys.exit(failed)
