"""open-webui itself against a running server: its program is started and asked what its page asks.

    python open_webui.py SPEAKER_PORT WHOLE_PORT

Runs in the interpreter that has open-webui (open-webui.txt says what it needs). The first server has the demo model, the last
one a model of random weights with all parts. Prints a line per thing tried and ends with status 1 if one failed.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SPEAKER, WHOLE = (f"http://127.0.0.1:{argument}/v1" for argument in sys.argv[1:3])
WORDS = "good morning"
# One pixel.
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    PORT = free.getsockname()[1]
SETTINGS = {
    "FROM_INIT_PY": "true", "USE_SLIM_DOCKER": "true", "OFFLINE_MODE": "true", "BYPASS_PYDUB_PREPROCESSING": "true",
    "WEBUI_AUTH": "False", "WEBUI_SECRET_KEY": "a test's", "ENABLE_OLLAMA_API": "false", "ENABLE_VERSION_UPDATE_CHECK": "false",
    "CORS_ALLOW_ORIGIN": f"http://127.0.0.1:{PORT}",
    "OPENAI_API_BASE_URL": WHOLE, "OPENAI_API_KEY": "any",
    "AUDIO_TTS_ENGINE": "openai", "AUDIO_TTS_OPENAI_API_BASE_URL": SPEAKER, "AUDIO_TTS_OPENAI_API_KEY": "any",
    "AUDIO_STT_ENGINE": "openai", "AUDIO_STT_OPENAI_API_BASE_URL": SPEAKER, "AUDIO_STT_OPENAI_API_KEY": "any",
    "ENABLE_IMAGE_GENERATION": "true", "IMAGE_GENERATION_ENGINE": "openai", "IMAGES_OPENAI_API_BASE_URL": WHOLE,
    "IMAGES_OPENAI_API_KEY": "any", "IMAGE_SIZE": "64x64", "IMAGES_OPENAI_API_PARAMS": '{"steps": 2}',
    "ENABLE_IMAGE_EDIT": "true", "IMAGE_EDIT_ENGINE": "openai", "IMAGES_EDIT_OPENAI_API_BASE_URL": WHOLE,
    "IMAGES_EDIT_OPENAI_API_KEY": "any",
}
key = ""


class Refused(Exception):
    pass


def ask(path: str, body=None, kind: str = "application/json") -> bytes:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data, {"Content-Type": kind, "Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise Refused(error.read().decode()) from None


def speak(text: str) -> bytes:
    return ask("/api/v1/audio/speech", {"input": text, "voice": "default"})


def hear(sound: bytes, name: str) -> dict:
    body = (f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: audio/{name[-3:]}\r\n\r\n'.encode()
            + sound + b'\r\n--x\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n--x--\r\n')
    return json.loads(ask("/api/v1/audio/transcriptions", body, "multipart/form-data; boundary=x"))


def models() -> None:
    assert [model["id"] for model in json.loads(ask("/api/models"))["data"]] == ["mio"]
    assert [model["id"] for model in json.loads(ask("/api/v1/audio/models"))["models"]] == ["demo"]
    assert json.loads(ask("/api/v1/audio/voices"))["voices"] == [{"id": "default", "name": "default"}]


def speech_and_transcription() -> None:
    mp3 = speak(WORDS)
    assert mp3[0] == 0xFF and mp3[1] & 0xE0 == 0xE0, mp3[:4]
    assert hear(mp3, "speech.mp3")["text"] == WORDS


def chat() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "What is this?"},
                                             {"type": "image_url", "image_url": {"url": PIXEL}}]}]
    fields = {"model": "mio", "messages": messages, "params": {}, "tool_servers": [], "features": {}, "max_tokens": 12, "seed": 3}
    whole = json.loads(ask("/api/chat/completions", {**fields, "stream": False}))["choices"][0]["message"]["content"]
    lines = [line[6:] for line in ask("/api/chat/completions", {**fields, "stream": True, "stream_options": {"include_usage": True}})
             .decode().split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert whole and text.strip() == whole and chunks[-1]["usage"]["total_tokens"] > 12


def images() -> None:
    for drawn in [json.loads(ask("/api/v1/images/generations", {"prompt": "a tree"})),
                  json.loads(ask("/api/v1/images/edit", {"prompt": "make it night", "image": PIXEL}))]:
        assert len(drawn) == 1 and ask(drawn[0]["url"]).startswith(b"\x89PNG")


def refusals() -> None:
    # The page shows the server's own words; of speech only the status, since it gives the answer up before it reads it.
    for call, words in [
        (lambda: speak(" "), "External: 400"),
        (lambda: hear(bytes(2000), "noise.wav"), "External: "),
        (lambda: ask("/api/chat/completions", {"model": "mio", "messages": [{"role": "system", "content": "x"}]}), "of the user")]:
        try:
            call()
        except Refused as refused:
            assert words in str(refused), refused
        else:
            raise AssertionError(f"no refusal with '{words}'")


failed = False
with tempfile.TemporaryDirectory() as work:
    with open(f"{work}/log", "wb") as log:
        program = subprocess.Popen([sys.executable, "-m", "uvicorn", "open_webui.main:app", "--host", "127.0.0.1", "--port", str(PORT)],
                                   env={**os.environ, **SETTINGS, "DATA_DIR": f"{work}/data", "STATIC_DIR": f"{work}/static"},
                                   cwd=work, stdout=log, stderr=log)
    try:
        for _ in range(240):
            try:
                key = json.loads(ask("/api/v1/auths/signin", {"email": "", "password": ""}))["token"]
                break
            except (OSError, Refused):
                if program.poll() is not None:
                    break
                time.sleep(0.5)
        if not key:
            sys.exit("open-webui does not start:\n" + open(f"{work}/log", errors="replace").read()[-3000:])
        for trial in [models, speech_and_transcription, chat, images, refusals]:
            try:
                trial()
                print(f"open-webui, {trial.__name__}: works")
            except Exception as error:  # every trial is told, whatever happens
                failed = True
                print(f"open-webui, {trial.__name__}: FAILED: {type(error).__name__}: {error}")
    finally:
        program.terminate()
        program.wait()
sys.exit(failed)
