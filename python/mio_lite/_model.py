"""Models and conversations."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Tuple, Union

from . import _library
from ._errors import InvalidInputError, MioError
from ._media import Audio, Image, Input, Video, int_array
from ._work import Call, Event, Handle, Stream, handed_over

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

    from ._media import AudioLike, Codes, ImageLike, Part

    class SamplingOptions(TypedDict, total=False):
        """How tokens are chosen; what is not given follows the task."""

        seed: int
        greedy: bool
        temperature: float
        top_k: int
        top_p: float
        repetition_penalty: float
        beams: int
        length_penalty: float
        max_tokens: int

    class SpeechOptions(SamplingOptions, total=False):
        """How texts are spoken."""

        candidates: int
        normalize: bool
        segments_at_once: int
        speed: float

    class ImageOptions(SamplingOptions, total=False):
        """How images are drawn."""

        steps: int
        guidance: float
        size: int
        sampler: str
        reuse: int

    class TaskOptions(ImageOptions, total=False):
        """How a task is done."""

        draws: bool
        max_images: int
        max_frames: int

    class ModelOptions(TypedDict, total=False):
        """How a model uses the machine."""

        threads: int
        context: int
        cache: str
        cache_bytes: int
        style: str
        measure: bool


@dataclass(frozen=True)
class SpeechChunk:
    """A stretch of speech, in the order of the text."""

    audio: Audio
    text: str
    index: int
    count: int
    is_cut_short: bool


@dataclass(frozen=True)
class Segment:
    """The words of a stretch of a recording; times in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording.

    Attributes:
        segments: in the order of time.
        problems: what is missing of the recording, in words.
    """

    segments: List[Segment]
    problems: List[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All words."""
        return " ".join(segment.text for segment in self.segments if segment.text)


@dataclass(frozen=True)
class Progress:
    """How far something is on its way: 0...1, and in words."""

    fraction: float
    text: str


@dataclass(frozen=True)
class Problem:
    """What could not be read whole, or rendered; the work goes on."""

    text: str


ResultPart = Union[str, Audio, Image, Progress, Problem]


@dataclass(frozen=True)
class Response:
    """A whole reply.

    Attributes:
        parts: words, speech, images and problems in their order; neighbouring words are one.
    """

    parts: List[ResultPart]

    @property
    def text(self) -> str:
        """What was written."""
        return "".join(part for part in self.parts if isinstance(part, str)).strip()

    @property
    def audio(self) -> List[Audio]:
        """What was said."""
        return [part for part in self.parts if isinstance(part, Audio)]

    @property
    def images(self) -> List[Image]:
        """Images that were drawn."""
        return [part for part in self.parts if isinstance(part, Image)]


class Model:
    """An open model file, ready to speak, listen and write.

    It may be used by any number of threads at once; all share its threads and its cache. What the methods take as `seed`
    decides every random draw: same model, words and seed, same result.

        with Model() as model:
            model.speak("Good morning.").save("morning.wav")

    Options of methods are those of the command line: seed, temperature, top_k, top_p, repetition_penalty, beams, greedy,
    max_tokens ...; steps, guidance, size and sampler of images; candidates and normalize of speech.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, **options: Unpack[ModelOptions]) -> None:
        """Opens a model file, in milliseconds, whatever its size.

        Args:
            path: without it $MIO_MODEL, or the small model that comes with the package, which speaks and listens.
            options: threads, context (most tokens), cache ("int8", "f16", "f32"), cache_bytes, style ("automatic", "instruct",
                "base"), measure (whether kernels are chosen by measuring this machine).

        Raises:
            InvalidModelError: it is no model file, damaged, or of another version.
        """
        found = os.fspath(path) if path is not None else os.environ.get("MIO_MODEL") or _library.demo_model()
        if found is None:
            raise InvalidInputError("no model: name a file, set $MIO_MODEL, or install the package with its model")
        self.path: str = found
        self._options: Dict[str, Any] = dict(options)
        self._process = os.getpid()
        call = Call(self._options)
        pointer = _open(call, found)
        self._handle: Handle | None = Handle(pointer, "mio_model_free")

    # MARK: what it is

    @property
    def _open_handle(self) -> Handle:
        """What the C library knows the model by; work keeps it until it is done, whatever becomes of the model."""
        if self._handle is None:
            raise ValueError("the model is closed")
        if self._process != os.getpid():
            raise MioError("the model was opened before this process was forked; open it here, or start workers by 'spawn'")
        return self._handle

    def _property(self, number: int) -> int:
        found: int = _library.library.mio_model_int(self._open_handle.pointer, number)
        return found

    @property
    def has_speech(self) -> bool:
        """Whether it hears and speaks."""
        return self._property(2) == 1

    @property
    def can_see(self) -> bool:
        """Whether it looks at images."""
        return self._property(3) == 1

    @property
    def can_draw(self) -> bool:
        """Whether it makes images."""
        return self._property(4) == 1

    @property
    def takes_turns(self) -> bool:
        """Whether it has conversations; other models continue texts."""
        return self._property(5) == 1

    @property
    def sample_rate(self) -> int:
        """Samples per second of its speech; 0 without speech."""
        return self._property(6)

    @property
    def about(self) -> str:
        """What the file says about itself."""
        text: str = _library.library.mio_model_about(self._open_handle.pointer).decode()
        return text

    # MARK: speech

    def speech(
        self, text: str, *, voice: AudioLike | Tuple[AudioLike, str] | None = None, **options: Unpack[SpeechOptions]
    ) -> Stream[SpeechChunk, Audio]:
        """Speaks a text of any length, sentence by sentence: the first one can be played while the others are made.

        Args:
            text: what to say.
            voice: a recording whose voice is continued, or (recording, what is said in it).
            options: of sampling; candidates, normalize, segments_at_once, speed (0.25 to 4).
        """
        given = None if voice is None else _voice(voice)
        words = _words(text)

        model = self._open_handle

        def work(call: Call, hear: Any) -> int:
            return _library.function("mio_speak")(
                call.pointer, model.pointer, words, given and given.pointer, hear, None, None)

        return self._stream(work, options, _chunk, self._joined)

    def speak(
        self, text: str, *, voice: AudioLike | Tuple[AudioLike, str] | None = None, **options: Unpack[SpeechOptions]
    ) -> Audio:
        """Speaks a whole text."""
        return self.speech(text, voice=voice, **options).result()

    def _joined(self, chunks: List[SpeechChunk]) -> Audio:
        samples = b"".join(chunk.audio.samples.tobytes() for chunk in chunks)
        codes: List[List[int]] = []
        for chunk in chunks:
            more = chunk.audio.codes or []
            codes = [first + second for first, second in zip(codes, more)] if codes else more
        rate = chunks[0].audio.sample_rate if chunks else self.sample_rate
        return Audio(memoryview(samples).cast("f"), rate, " ".join(chunk.text for chunk in chunks), codes)

    def transcription(self, audio: AudioLike, **options: Unpack[SamplingOptions]) -> Stream[Segment | Problem, Transcript]:
        """Writes down a recording of any length, segment by segment.

        Args:
            audio: a file's name, an `Audio`, or (samples, rate).
            options: of sampling.
        """
        given = Input()
        given.add_audio(audio)
        return self._given("mio_transcribe", given, options, _segment, _transcript)

    def transcribe(self, audio: AudioLike, **options: Unpack[SamplingOptions]) -> Transcript:
        """Writes down a whole recording."""
        return self.transcription(audio, **options).result()

    # MARK: images and tasks

    def drawing(self, text: str, **options: Unpack[ImageOptions]) -> Stream[Image | Progress, Image]:
        """Draws what a text describes, and tells how far it is."""
        words = _words(text)

        model = self._open_handle

        def work(call: Call, hear: Any) -> int:
            return _library.function("mio_draw")(call.pointer, model.pointer, words, hear, None, None)

        return self._stream(work, options, _drawn, _image)

    def draw(self, text: str, **options: Unpack[ImageOptions]) -> Image:
        """Draws what a text describes."""
        return self.drawing(text, **options).result()

    def editing(
        self, image: ImageLike, instruction: str, **options: Unpack[ImageOptions]
    ) -> Stream[Image | Progress, Image]:
        """Changes an image as an instruction says, and tells how far it is."""
        given = Input()
        given.add_image(image)
        words = _words(instruction)

        model = self._open_handle

        def work(call: Call, hear: Any) -> int:
            return _library.function("mio_edit")(
                call.pointer, model.pointer, given.pointer, words, hear, None, None)

        return self._stream(work, options, _drawn, _image)

    def edit(self, image: ImageLike, instruction: str, **options: Unpack[ImageOptions]) -> Image:
        """Changes an image as an instruction says."""
        return self.editing(image, instruction, **options).result()

    def performance(self, task: str, *parts: Part, **options: Unpack[TaskOptions]) -> Stream[ResultPart, Response]:
        """Does one of MIO's tasks, "image-caption", "storytelling" and so on (`mio-lite recipes`), part by part.

        Args:
            task: its name.
            parts: words are strings; media are `Audio`, `Image`, `Video`, arrays of pixels, (samples, rate), or path objects.
            options: of sampling and of images; draws, max_images, max_frames.
        """
        given = _input(parts)
        name = _words(task)

        model = self._open_handle

        def work(call: Call, hear: Any) -> int:
            return _library.function("mio_perform")(
                call.pointer, model.pointer, name, given.pointer, hear, None, None)

        return self._stream(work, options, _part, _response)

    def perform(self, task: str, *parts: Part, **options: Unpack[TaskOptions]) -> Response:
        """Does one of MIO's tasks."""
        return self.performance(task, *parts, **options).result()

    def describe(self, image: Part, question: str | None = None, **options: Unpack[TaskOptions]) -> str:
        """What an image or a video shows, or the answer to a question about it; a string names a file."""
        from pathlib import Path

        found: Part = Path(image) if isinstance(image, str) else image
        if question is None:
            return self.perform("image-caption", found, **options).text
        return self.perform("image-question", found, question, **options).text

    # MARK: codes and tokens

    def encode(self, media: AudioLike | ImageLike, *, codebooks: int = 1) -> Codes:
        """The codes of a recording, a list per codebook, or of an image, one list; a string names a file of either."""
        given = Input()
        if isinstance(media, (str, os.PathLike)):
            given.add_file(media, _library.MEDIA_VISUAL)
        elif isinstance(media, (Audio, tuple)):
            given.add_audio(media)
        else:
            given.add_image(media)
        found: Stream[Event, Event] = self._given("mio_encode", given, {"codebooks": codebooks}, _event, _first)
        return found.result().codes

    def decode(self, codes: Codes, **options: Unpack[ImageOptions]) -> Audio | Image:
        """The sound of codes, a list per codebook, or the image of one list."""
        given = Input()
        given.add_codes(codes)
        decoded: Stream[Event, Event] = self._given("mio_decode", given, options, _event, _first)
        event = decoded.result()
        found: Audio | Image | None = event.audio or event.image
        assert found is not None
        return found

    def tokenize(self, text: str, *, special: bool = False, ends: bool = True) -> List[int]:
        """The ids of a text.

        Args:
            text: the text.
            special: whether strings such as "<spch12>" are tokens; never for text of users.
            ends: whether the tokens are added that begin and end a text.
        """
        words = _words(text)

        model = self._open_handle

        def work(call: Call, hear: Any) -> int:
            return _library.function("mio_tokenize")(call.pointer, model.pointer, words, hear, None, None)

        return _ids(self._stream(work, {"special": special, "ends": ends}, _event, list).result())

    def detokenize(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included."""
        given = int_array(ids)

        model = self._open_handle

        def work(call: Call, hear: Any) -> int:
            return _library.function("mio_detokenize")(call.pointer, model.pointer, given, len(ids), hear, None, None)

        return self._stream(work, {}, _event, _first).result().text or ""

    def generation(self, ids: Sequence[int], *, grammar: bool = True, **options: Unpack[SamplingOptions]) -> Stream[int, List[int]]:
        """Completes a prompt of ids, exactly as they are, id by id."""
        given = int_array(ids)

        model = self._open_handle

        def work(call: Call, hear: Any) -> int:
            return _library.function("mio_generate")(call.pointer, model.pointer, given, len(ids), hear, None, None)

        return self._stream(work, {"grammar": grammar, **options}, lambda event: _ids([event])[0], list)

    def generate(self, ids: Sequence[int], *, grammar: bool = True, **options: Unpack[SamplingOptions]) -> List[int]:
        """Completes a prompt of ids, exactly as they are."""
        return self.generation(ids, grammar=grammar, **options).result()

    # MARK: conversations

    def session(
        self, instructions: str | None = None, *, speaks: bool = False, snapshot: str | None = None,
        **options: Unpack[TaskOptions],
    ) -> Session:
        """Begins a conversation, or goes on with one.

        Args:
            instructions: the system's words instead of MIO's own; special tokens in them count.
            speaks: whether the model answers with speech only.
            snapshot: what `Session.snapshot` gave.
            options: of sampling and of images.
        """
        return Session(self, {"instructions": instructions, "speaks": speaks, "snapshot": snapshot, **options})

    # MARK: life

    def close(self) -> None:
        """Frees the model; streams under way go on to their end."""
        self._handle = None

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Tuple[Any, ...]:
        return _reopened, (self.path, self._options)

    def __repr__(self) -> str:
        return f"Model({self.path!r})"

    def _given(self, function: str, given: Input, options: Any, piece: Any, whole: Any) -> Stream[Any, Any]:
        model = self._open_handle

        def work(call: Call, hear: Any) -> int:
            return _library.function(function)(call.pointer, model.pointer, given.pointer, hear, None, None)

        return self._stream(work, options, piece, whole)

    def _stream(self, work: Any, options: Any, piece: Any, whole: Any) -> Stream[Any, Any]:
        return Stream(work, dict(options), piece, whole)


class Session:
    """A conversation: turns that the model remembers.

    It may be used by any thread; turns are taken one after the other.
    """

    def __init__(self, model: Model, options: Dict[str, Any]) -> None:
        """`Model.session` makes one."""
        self.model = model
        call = Call(options)
        self._handle = Handle(handed_over("mio_session_new", call, model._open_handle.pointer), "mio_session_free")

    def stream(self, *parts: Part) -> Stream[ResultPart, Response]:
        """Hands over a turn, and yields the parts of the reply as they are made.

        Args:
            parts: words are strings; media are `Audio`, `Image`, `Video`, arrays of pixels, (samples, rate), or path objects.
        """
        given = _input(parts)
        handle = self._handle

        def work(call: Call, hear: Any) -> int:
            return _library.function("mio_respond")(call.pointer, handle.pointer, given.pointer, hear, None, None)

        return Stream(work, {}, _part, _response)

    def respond(self, *parts: Part) -> Response:
        """Hands over a turn, and returns the whole reply."""
        return self.stream(*parts).result()

    def snapshot(self) -> str:
        """What was said so far, to be kept and continued with the same model."""
        handle = self._handle

        def work(call: Call, hear: Any) -> int:
            return _library.function("mio_session_snapshot")(call.pointer, handle.pointer, hear, None, None)

        return Stream(work, {}, _event, _first).result().text or ""


def version() -> str:
    """The version of the library."""
    text: str = _library.library.mio_version().decode()
    return text


def _open(call: Call, path: str) -> int:
    return handed_over("mio_model_open", call, _library.path_bytes(path))


def _reopened(path: str, options: Dict[str, Any]) -> Model:
    return Model(path, **options)


def _words(text: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"words are a str, not {type(text).__name__}")
    if "\0" in text:
        raise InvalidInputError("a text cannot hold the character of code 0")
    return text.encode()


def _input(parts: Sequence[Part]) -> Input:
    given = Input()
    for part in parts:
        given.add(part)
    return given


def _voice(voice: AudioLike | Tuple[AudioLike, str]) -> Input:
    given = Input()
    if isinstance(voice, tuple) and isinstance(voice[1], str):
        given.add_audio(voice[0])
        given.add(voice[1])
    else:
        given.add_audio(voice)
    return given


# What becomes of events.


def _event(event: Event) -> Event | None:
    return None if event.kind == _library.PROGRESS else event


def _first(events: List[Event]) -> Event:
    return events[0]


def _ids(events: List[Event]) -> List[int]:
    return [code for event in events for code in event.codes]  # type: ignore[misc]


def _chunk(event: Event) -> SpeechChunk:
    assert event.audio is not None
    return SpeechChunk(event.audio, event.text or "", event.index, event.count, event.is_cut_short)


def _segment(event: Event) -> Segment | Problem:
    if event.kind == _library.PROBLEM:
        return Problem(event.text or "")
    return Segment(event.text or "", event.start, event.end)


def _transcript(parts: List[Segment | Problem]) -> Transcript:
    return Transcript(
        [part for part in parts if isinstance(part, Segment)], [part.text for part in parts if isinstance(part, Problem)])


def _part(event: Event) -> ResultPart | None:
    if event.kind == _library.TEXT:
        return event.text or ""
    if event.kind == _library.PROBLEM:
        return Problem(event.text or "")
    if event.kind == _library.PROGRESS:
        return Progress(event.fraction, event.text or "")
    return event.audio or event.image


def _response(parts: List[ResultPart]) -> Response:
    joined: List[ResultPart] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, str) and isinstance(last, str):
            joined[-1] = last + part
        elif not isinstance(part, Progress):
            joined.append(part)
    return Response(joined)


def _drawn(event: Event) -> Image | Progress | None:
    if event.kind == _library.PROGRESS:
        return Progress(event.fraction, event.text or "")
    return event.image


def _image(parts: List[Image | Progress]) -> Image:
    found = [part for part in parts if isinstance(part, Image)]
    if not found:
        raise MioError("the model did not finish an image; allow more tokens")
    return found[-1]
