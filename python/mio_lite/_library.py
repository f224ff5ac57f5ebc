"""The C library: where it lies, and the types of its functions (mio.h describes them)."""

from __future__ import annotations

import ctypes
import os
import sys
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint8, c_void_p
from typing import TYPE_CHECKING, Any, List, Tuple

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = os.path.dirname(os.path.abspath(__file__))


class Event(ctypes.Structure):
    """mio_event: a piece of a result."""

    _fields_ = [
        ("size", c_size_t),
        ("kind", c_int32),
        ("index", c_int32),
        ("count", c_int32),
        ("is_cut_short", c_int32),
        ("text", c_char_p),
        ("samples", POINTER(c_float)),
        ("sample_count", c_size_t),
        ("sample_rate", c_int32),
        ("width", c_int32),
        ("height", c_int32),
        ("rgb", POINTER(c_uint8)),
        ("codes", POINTER(c_int32)),
        ("codebooks", c_size_t),
        ("code_count", c_size_t),
        ("start", c_double),
        ("end", c_double),
        ("fraction", c_double),
    ]


EVENT_FN = ctypes.CFUNCTYPE(c_int, POINTER(Event), c_void_p)

TEXT, AUDIO, IMAGE, CODES, TOKENS, PROBLEM, PROGRESS = range(1, 8)
MEDIA_AUDIO, MEDIA_IMAGE, MEDIA_VIDEO, MEDIA_VISUAL = range(1, 5)

# Options by their names here: number, and the function that sets them.
OPTIONS = {
    "threads": (1, "int"),
    "context": (2, "int"),
    "cache_bytes": (3, "int"),
    "measure": (4, "int"),
    "seed": (10, "int"),
    "greedy": (11, "int"),
    "top_k": (12, "int"),
    "beams": (13, "int"),
    "max_tokens": (14, "int"),
    "grammar": (15, "int"),
    "candidates": (20, "int"),
    "segments_at_once": (21, "int"),
    "normalize": (22, "int"),
    "codebooks": (23, "int"),
    "steps": (30, "int"),
    "size": (31, "int"),
    "reuse": (32, "int"),
    "draws": (33, "int"),
    "max_images": (34, "int"),
    "max_frames": (35, "int"),
    "speaks": (40, "int"),
    "special": (41, "int"),
    "ends": (42, "int"),
    "temperature": (100, "real"),
    "top_p": (101, "real"),
    "repetition_penalty": (102, "real"),
    "length_penalty": (103, "real"),
    "guidance": (104, "real"),
    "speed": (105, "real"),
    "cache": (200, "text"),
    "style": (201, "text"),
    "sampler": (202, "text"),
    "instructions": (203, "text"),
    "snapshot": (204, "text"),
}

_RESULT: List[Any] = [EVENT_FN, c_void_p, POINTER(c_void_p)]
_FUNCTIONS: List[Tuple[str, Any, List[Any]]] = [
    ("mio_version", c_char_p, []),
    ("mio_call_new", c_void_p, []),
    ("mio_call_free", None, [c_void_p]),
    ("mio_set_int", c_int32, [c_void_p, c_int32, c_int64]),
    ("mio_set_real", c_int32, [c_void_p, c_int32, c_double]),
    ("mio_set_text", c_int32, [c_void_p, c_int32, c_char_p]),
    ("mio_cancel", None, [c_void_p]),
    ("mio_error", c_char_p, [c_void_p]),
    ("mio_model_open", c_int32, [c_void_p, c_char_p, POINTER(c_void_p)]),
    ("mio_model_free", None, [c_void_p]),
    ("mio_model_int", c_int64, [c_void_p, c_int32]),
    ("mio_model_about", c_char_p, [c_void_p]),
    ("mio_input_new", c_void_p, []),
    ("mio_input_free", None, [c_void_p]),
    ("mio_input_add_text", c_int32, [c_void_p, c_char_p]),
    ("mio_input_add_file", c_int32, [c_void_p, c_int32, c_char_p]),
    ("mio_input_add_audio", c_int32, [c_void_p, c_char_p, c_size_t, c_int32]),
    ("mio_input_add_image", c_int32, [c_void_p, c_char_p, c_int32, c_int32]),
    ("mio_input_add_video", c_int32, [c_void_p, c_char_p, c_int32, c_int32, c_size_t]),
    ("mio_input_add_codes", c_int32, [c_void_p, POINTER(c_int32), c_size_t, c_size_t]),
    ("mio_save", c_int32, [c_void_p, POINTER(Event), c_char_p]),
    ("mio_speak", c_int32, [c_void_p, c_void_p, c_char_p, c_void_p, *_RESULT]),
    ("mio_transcribe", c_int32, [c_void_p, c_void_p, c_void_p, *_RESULT]),
    ("mio_perform", c_int32, [c_void_p, c_void_p, c_char_p, c_void_p, *_RESULT]),
    ("mio_draw", c_int32, [c_void_p, c_void_p, c_char_p, *_RESULT]),
    ("mio_edit", c_int32, [c_void_p, c_void_p, c_void_p, c_char_p, *_RESULT]),
    ("mio_encode", c_int32, [c_void_p, c_void_p, c_void_p, *_RESULT]),
    ("mio_decode", c_int32, [c_void_p, c_void_p, c_void_p, *_RESULT]),
    ("mio_tokenize", c_int32, [c_void_p, c_void_p, c_char_p, *_RESULT]),
    ("mio_detokenize", c_int32, [c_void_p, c_void_p, POINTER(c_int32), c_size_t, *_RESULT]),
    ("mio_generate", c_int32, [c_void_p, c_void_p, POINTER(c_int32), c_size_t, *_RESULT]),
    ("mio_session_new", c_int32, [c_void_p, c_void_p, POINTER(c_void_p)]),
    ("mio_session_free", None, [c_void_p]),
    ("mio_respond", c_int32, [c_void_p, c_void_p, c_void_p, *_RESULT]),
    ("mio_session_snapshot", c_int32, [c_void_p, c_void_p, *_RESULT]),
]


def _load() -> Any:
    beside = os.path.join(HERE, "lib", "libmio.so.0")
    # The package of a distribution has the library where the system looks for it.
    name = os.environ.get("MIO_LIBRARY") or (beside if os.path.exists(beside) else "libmio.so.0")
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise ImportError(f"mio_lite: the library cannot be loaded: {error}") from error
    for function, result, arguments in _FUNCTIONS:
        found = getattr(library, function)
        found.restype, found.argtypes = result, arguments
    return library


library: Any = _load()


def function(name: str) -> Callable[..., int]:
    """A function of the library with a status."""
    found: Callable[..., int] = getattr(library, name)
    return found


def path_bytes(path: str | os.PathLike[str]) -> bytes:
    """A path as the system knows it."""
    return os.fsencode(path)


def first_file(*paths: str) -> str | None:
    """The first path that is a file."""
    return next((path for path in paths if os.path.isfile(path)), None)


def demo_model() -> str | None:
    """The model that comes with the package."""
    return first_file(
        os.path.join(HERE, "share", "mio-lite", "demo.mio"), os.path.join(sys.prefix, "share", "mio-lite", "demo.mio"),
        "/usr/share/mio-lite/demo.mio", "/usr/local/share/mio-lite/demo.mio")
