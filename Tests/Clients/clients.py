"""Real clients against a running server: openai-python (sync, async, streaming) and Home Assistant's wyoming.

    python clients.py SPEAKER_PORT WYOMING_PORT WHOLE_PORT

The first server has the demo model, the last one a model of random weights with all parts. Prints a line per thing tried and
ends with status 1 if one failed.
"""

import asyncio
import base64
import io
import sys
import wave

import openai
from openai import AsyncOpenAI, OpenAI
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop, SynthesizeStopped, SynthesizeVoice

SPEAKER, WYOMING, WHOLE = (int(argument) for argument in sys.argv[1:4])
WORDS = "good morning"
# One pixel.
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


def client(port: int, kind=OpenAI):
    return kind(base_url=f"http://127.0.0.1:{port}/v1", api_key="any", max_retries=0, timeout=120)


def speech() -> None:
    c = client(SPEAKER)
    mp3 = c.audio.speech.create(model="tts-1", voice="alloy", input=WORDS).content
    assert mp3[0] == 0xFF and mp3[1] & 0xE0 == 0xE0, mp3[:4]
    wav = c.audio.speech.create(model="tts-1", voice="alloy", input=WORDS, response_format="wav", extra_body={"seed": 1}).content
    with wave.open(io.BytesIO(wav)) as sound:
        assert sound.getframerate() == 16000 and 0.5 < sound.getnframes() / 16000 < 1.5
    with c.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input=WORDS, response_format="pcm",
                                                       extra_body={"seed": 1}) as answer:
        assert b"".join(answer.iter_bytes()) == wav[44:]


def transcription() -> None:
    c = client(SPEAKER)
    wav = c.audio.speech.create(model="tts-1", voice="alloy", input=WORDS, response_format="wav", extra_body={"seed": 1}).content
    file = ("speech.wav", wav)
    assert c.audio.transcriptions.create(model="whisper-1", file=file).text == WORDS
    verbose = c.audio.transcriptions.create(model="whisper-1", file=file, response_format="verbose_json", language="en",
                                            timestamp_granularities=["segment"])
    assert verbose.segments[0].text == WORDS and verbose.segments[0].end > 0.5 and verbose.duration > 0.5
    assert c.audio.transcriptions.create(model="whisper-1", file=file, response_format="srt").startswith("1\n00:00:00,000 --> ")
    events = list(c.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True))
    assert events[-1].type == "transcript.text.done" and events[-1].text == WORDS


def models() -> None:
    c = client(WHOLE)
    names = [model.id for model in c.models.list()]
    assert len(names) == 1 and c.models.retrieve(names[0]).id == names[0]


def chat() -> None:
    c = client(WHOLE)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [
        {"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]}]
    whole = c.chat.completions.create(model="mio", messages=messages, max_tokens=12, seed=3)
    assert whole.choices[0].message.content and whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    stream = c.chat.completions.create(model="mio", messages=messages, max_tokens=12, seed=3, stream=True,
                                       stream_options={"include_usage": True})
    chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text.strip() == whole.choices[0].message.content and chunks[-1].usage.total_tokens == whole.usage.total_tokens
    aloud = c.chat.completions.create(model="mio", messages=messages, max_tokens=60, seed=3, modalities=["text", "audio"],
                                      audio={"format": "wav", "voice": "alloy"})
    audio = aloud.choices[0].message.audio
    assert base64.b64decode(audio.data)[:4] == b"RIFF" and audio.expires_at and audio.transcript is not None


def completion() -> None:
    c = client(WHOLE)
    whole = c.completions.create(model="mio", prompt="Once", max_tokens=8, seed=1)
    stream = c.completions.create(model="mio", prompt="Once", max_tokens=8, seed=1, stream=True)
    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in stream)


def images() -> None:
    c = client(WHOLE)
    drawn = c.images.generate(model="mio", prompt="a tree", n=2, response_format="b64_json", extra_body={"seed": 1, "steps": 2})
    png = [base64.b64decode(image.b64_json) for image in drawn.data]
    assert len(png) == 2 and all(image.startswith(b"\x89PNG") for image in png)
    events = list(c.images.generate(model="mio", prompt="a tree", stream=True, partial_images=1, extra_body={"steps": 3}))
    kinds = [event.type for event in events]
    assert "image_generation.partial_image" in kinds and kinds[-1] == "image_generation.completed"
    edited = c.images.edit(model="mio", image=("a.png", png[0]), prompt="make it night", extra_body={"steps": "2"})
    assert base64.b64decode(edited.data[0].b64_json).startswith(b"\x89PNG")


def errors() -> None:
    for call, kind in [
        (lambda: client(WHOLE).models.retrieve("nothing"), openai.NotFoundError),
        (lambda: client(WHOLE).chat.completions.create(model="mio", messages=[]), openai.BadRequestError),
        (lambda: client(SPEAKER).images.generate(model="mio", prompt="a tree"), openai.BadRequestError),
        (lambda: client(SPEAKER).audio.speech.create(model="tts-1", voice="a", input="x", response_format="aac"),
         openai.BadRequestError)]:
        try:
            call()
        except kind as error:
            assert error.message and (error.code is None or isinstance(error.code, str)) and error.request_id
        else:
            raise AssertionError(f"no {kind.__name__}")


def crowd() -> None:
    async def ask() -> None:
        c = client(WHOLE, AsyncOpenAI)
        async def one(seed: int) -> str:
            answer = await c.chat.completions.create(model="mio", messages=[{"role": "user", "content": f"Hello {seed}"}],
                                                     max_tokens=16, seed=seed, temperature=1)
            return answer.choices[0].message.content
        together = await asyncio.gather(*(one(seed) for seed in range(8)))
        assert together == [await one(seed) for seed in range(8)]
        sound = await client(SPEAKER, AsyncOpenAI).audio.speech.create(model="tts-1", voice="x", input=WORDS)
        assert len(sound.content) > 1000
    asyncio.run(ask())


def wyoming() -> None:
    async def talk() -> None:
        async with AsyncTcpClient("127.0.0.1", WYOMING) as c:
            await c.write_event(Describe().event())
            info = Info.from_event(await c.read_event())
            voice = info.tts[0].voices[0].name
            assert info.asr[0].models and info.tts[0].supports_synthesize_streaming
            await c.write_event(Synthesize(text=WORDS, voice=SynthesizeVoice(name=voice)).event())
            start, sound = AudioStart.from_event(await c.read_event()), b""
            while AudioChunk.is_type((event := await c.read_event()).type):
                sound += AudioChunk.from_event(event).audio
            assert AudioStop.is_type(event.type) and len(sound) > 10000
            await c.write_event(Transcribe(language="en").event())
            form = {"rate": start.rate, "width": start.width, "channels": start.channels}
            await c.write_event(AudioStart(**form).event())
            for offset in range(0, len(sound), 2048):
                await c.write_event(AudioChunk(audio=sound[offset:offset + 2048], **form).event())
            await c.write_event(AudioStop().event())
            assert "morning" in Transcript.from_event(await c.read_event()).text
            await c.write_event(SynthesizeStart(voice=SynthesizeVoice(name=voice)).event())
            await c.write_event(SynthesizeChunk(text=WORDS).event())
            await c.write_event(Synthesize(text=WORDS).event())
            await c.write_event(SynthesizeStop().event())
            while not SynthesizeStopped.is_type((event := await c.read_event()).type):
                assert not event.type.startswith("error")
    asyncio.run(talk())


failed = False
for trial in [models, speech, transcription, chat, completion, images, errors, crowd, wyoming]:
    try:
        trial()
        print(f"{trial.__name__}: works")
    except Exception as error:  # every trial is told, whatever happens
        failed = True
        print(f"{trial.__name__}: FAILED: {type(error).__name__}: {error} {error.__cause__ or str()}")
sys.exit(failed)
