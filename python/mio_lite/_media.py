"""Sound and images, in and out."""

from __future__ import annotations

import ctypes
import os
import sys
from array import array
from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Tuple, Union

from . import _library
from ._errors import InvalidInputError

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Codes = Union[List[int], List[List[int]]]
    AudioLike = Union["Audio", str, os.PathLike[str], Tuple[Any, int]]
    ImageLike = Union["Image", str, os.PathLike[str], numpy.typing.NDArray[numpy.uint8]]
    Part = Union[str, "Audio", "Image", "Video", os.PathLike[str], Tuple[Any, int], numpy.typing.NDArray[numpy.uint8]]

_AUDIO_SUFFIXES = (
    ".wav .flac .ogg .oga .opus .mp3 .m4a .aac .aif .aiff .au .caf .w64 .rf64 .amr .wma .weba".split())
_VIDEO_SUFFIXES = ".mp4 .webm .mkv .mov .avi .m4v .mpg .mpeg".split()


class Audio:
    """Mono sound.

    `numpy.asarray(audio)` is its samples, without a copy.

    Attributes:
        samples: 32-bit floats, nominally in -1...1.
        sample_rate: samples per second.
        text: the words that are said, where they are known.
        codes: the model's codes of the sound, codebook by codebook, where they are known.
    """

    __slots__ = ("samples", "sample_rate", "text", "codes")

    def __init__(
        self, samples: Any, sample_rate: int, text: str | None = None, codes: List[List[int]] | None = None
    ) -> None:
        """Takes a NumPy array of floats, anything with 32-bit floats in memory, or a sequence of numbers."""
        self.samples: array[float] = _floats(samples)
        self.sample_rate = int(sample_rate)
        self.text = text
        self.codes = codes

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        typestr = "<f4" if sys.byteorder == "little" else ">f4"
        return {"shape": (len(self.samples),), "typestr": typestr, "data": memoryview(self.samples), "version": 3}

    def numpy(self) -> numpy.typing.NDArray[numpy.float32]:
        """The samples as a NumPy array of 32-bit floats, shape [samples], without a copy."""
        import numpy

        return numpy.asarray(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a file that appears when it is complete: .wav (16 bits), .flac, .ogg, .opus or .mp3."""
        buffer = (ctypes.c_float * len(self.samples)).from_buffer(self.samples) if self.samples else (ctypes.c_float * 1)()
        event = _library.Event(
            size=ctypes.sizeof(_library.Event), kind=_library.AUDIO, sample_count=len(self.samples),
            sample_rate=self.sample_rate)
        event.samples = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_float))
        _save(event, path)

    def __len__(self) -> int:
        return len(self.samples)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Audio) and (self.samples, self.sample_rate) == (other.samples, other.sample_rate)

    def __repr__(self) -> str:
        return f"Audio({self.duration:.2f} s at {self.sample_rate} Hz)"


class Image:
    """An image of 8-bit red, green and blue, rows from the top.

    `numpy.asarray(image)` is its pixels, shape [height, width, 3], and `PIL.Image.fromarray(image)` works, too.

    Attributes:
        rgb: 3 * width * height bytes.
        codes: the model's codes of the image, where they are known.
    """

    __slots__ = ("rgb", "width", "height", "codes")

    def __init__(self, rgb: bytes, width: int, height: int, codes: List[int] | None = None) -> None:
        if width < 1 or height < 1 or len(rgb) != 3 * width * height:
            raise InvalidInputError(f"{len(rgb)} bytes do not fill an image of {width} x {height} pixels of 3")
        self.rgb = rgb
        self.width = width
        self.height = height
        self.codes = codes

    @classmethod
    def from_array(cls, pixels: Any) -> Image:
        """An image from a NumPy array or a PIL image: 8 bits, shape [height, width, 3]."""
        if isinstance(pixels, Image):
            return pixels
        view, shape = _bytes(pixels)
        if len(shape) != 3 or shape[2] != 3:
            raise InvalidInputError(f"an image has the shape [height, width, 3], found {list(shape)}")
        return cls(view, shape[1], shape[0])

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        return {"shape": (self.height, self.width, 3), "typestr": "|u1", "data": self.rgb, "version": 3}

    def numpy(self) -> numpy.typing.NDArray[numpy.uint8]:
        """The pixels as a NumPy array of bytes, shape [height, width, 3], without a copy; it cannot be written to."""
        import numpy

        return numpy.asarray(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a file that appears when it is complete: .png or .jpg."""
        buffer = ctypes.create_string_buffer(self.rgb, len(self.rgb))
        event = _library.Event(
            size=ctypes.sizeof(_library.Event), kind=_library.IMAGE, width=self.width, height=self.height)
        event.rgb = ctypes.cast(buffer, ctypes.POINTER(ctypes.c_uint8))
        _save(event, path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and (self.rgb, self.width, self.height) == (other.rgb, other.width, other.height)

    def __repr__(self) -> str:
        return f"Image({self.width} x {self.height})"


class Video:
    """Frames of a video, of one size, in the order of time."""

    __slots__ = ("frames",)

    def __init__(self, frames: Sequence[Any]) -> None:
        """Takes images, or a NumPy array of bytes, shape [frames, height, width, 3]."""
        self.frames = [Image.from_array(frame) for frame in frames]
        if not self.frames or any((f.width, f.height) != (self.frames[0].width, self.frames[0].height) for f in self.frames):
            raise InvalidInputError("a video needs frames, all of one size")


class Input:
    """What a model is given: words and media, in their order."""

    def __init__(self) -> None:
        self.pointer: int = _library.library.mio_input_new()

    def __del__(self) -> None:
        _library.library.mio_input_free(self.pointer)

    def add(self, part: Part) -> None:
        """Words are strings; a path object names a file, whose suffix tells its kind; (samples, rate) is sound."""
        if isinstance(part, str):
            self._check(_library.library.mio_input_add_text(self.pointer, part.encode()), "the text")
        elif isinstance(part, os.PathLike):
            self.add_file(part, _media_of(part))
        elif isinstance(part, (Audio, tuple)):
            self.add_audio(part)
        elif isinstance(part, Video):
            rgb = b"".join(frame.rgb for frame in part.frames)
            first = part.frames[0]
            status = _library.library.mio_input_add_video(self.pointer, rgb, first.width, first.height, len(part.frames))
            self._check(status, "the video")
        else:
            self.add_image(part)

    def add_audio(self, audio: AudioLike) -> None:
        """Sound, or the name of its file."""
        if isinstance(audio, (str, os.PathLike)):
            self.add_file(audio, _library.MEDIA_AUDIO)
            return
        sound = audio if isinstance(audio, Audio) else Audio(*audio)
        data = sound.samples.tobytes()
        status = _library.library.mio_input_add_audio(self.pointer, data, len(sound.samples), sound.sample_rate)
        self._check(status, f"the sound at {sound.sample_rate} Hz")

    def add_image(self, image: Any) -> None:
        """An image, or the name of its file."""
        if isinstance(image, (str, os.PathLike)):
            self.add_file(image, _library.MEDIA_VISUAL)
            return
        found = Image.from_array(image)
        status = _library.library.mio_input_add_image(self.pointer, found.rgb, found.width, found.height)
        self._check(status, "the image")

    def add_file(self, path: str | os.PathLike[str], media: int) -> None:
        """A file of a kind."""
        status = _library.library.mio_input_add_file(self.pointer, media, _library.path_bytes(path))
        self._check(status, f"the name of the file {os.fspath(path)!r}")

    def add_codes(self, codes: Codes) -> None:
        """Codes of speech, a list per codebook, or of an image, one list."""
        nested = bool(codes) and isinstance(codes[0], list)
        lists: List[List[int]] = codes if nested else [codes]  # type: ignore[list-item,assignment]
        if any(len(each) != len(lists[0]) for each in lists):
            raise InvalidInputError("codebooks have the same number of codes")
        flat = int_array([code for each in lists for code in each])
        status = _library.library.mio_input_add_codes(self.pointer, flat, len(lists) if nested else 0, len(lists[0]))
        self._check(status, "the list of codes")

    def _check(self, status: int, what: str) -> None:
        if status != 0:
            raise InvalidInputError(f"{what} cannot be used; it is empty, or its size is impossible")


def int_array(values: Sequence[int]) -> ctypes.Array[ctypes.c_int32]:
    """Whole numbers for C."""
    if any(not -(2**31) <= value < 2**31 for value in values):
        raise InvalidInputError("a code or an id is beyond 32 bits")
    return (ctypes.c_int32 * len(values))(*values)


def _media_of(path: os.PathLike[str]) -> int:
    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix in _AUDIO_SUFFIXES:
        return _library.MEDIA_AUDIO
    return _library.MEDIA_VIDEO if suffix in _VIDEO_SUFFIXES or os.path.isdir(path) else _library.MEDIA_VISUAL


def _floats(samples: Any) -> array[float]:
    """A copy as 32-bit floats."""
    if isinstance(samples, array) and samples.typecode == "f":
        return array("f", samples)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(samples, numpy.ndarray):
        if samples.ndim != 1 or samples.dtype.kind != "f":
            raise InvalidInputError(
                f"sound is mono, floats of the shape [samples], found {samples.dtype} {list(samples.shape)}")
        samples = numpy.ascontiguousarray(samples, dtype=numpy.float32)
    try:
        view = memoryview(samples)
    except TypeError:
        return array("f", samples)
    if view.format not in ("f", "<f"):
        raise InvalidInputError(f"samples are 32-bit floats, found the format {view.format!r}")
    copy = array("f")
    copy.frombytes(view.tobytes())
    return copy


def _bytes(pixels: Any) -> Tuple[bytes, Tuple[int, ...]]:
    if not hasattr(pixels, "__array_interface__"):
        try:
            view = memoryview(pixels)
        except TypeError:
            raise InvalidInputError(f"no image: {type(pixels).__name__}") from None
        if view.format != "B":
            raise InvalidInputError(f"pixels are bytes, found the format {view.format!r}")
        return view.tobytes(), tuple(view.shape or ())
    import numpy

    array_of_pixels = numpy.asarray(pixels)
    if array_of_pixels.dtype != numpy.uint8:
        raise InvalidInputError(f"pixels are bytes (uint8), found {array_of_pixels.dtype}")
    return array_of_pixels.tobytes(), array_of_pixels.shape


def _save(event: _library.Event, path: str | os.PathLike[str]) -> None:
    from ._work import Call

    call = Call({})
    call.check(_library.library.mio_save(call.pointer, ctypes.byref(event), _library.path_bytes(path)))
