"""Models that read and write text, speech and images, on ordinary CPUs.

    from mio_lite import Model

    with Model() as model:
        model.speak("Good morning.").save("morning.wav")
        print(model.transcribe("morning.wav").text)

Everything that takes time waits without holding the interpreter, and can be interrupted by Ctrl-C. What is made piece by piece
comes as a `Stream`: iterate over it with `for` or `async for`, or `await` the whole.
"""

from ._errors import (
    CacheFullError,
    CancelledError,
    ContextFullError,
    InvalidInputError,
    InvalidModelError,
    MioError,
    UnsupportedError,
)
from ._media import Audio, Image, Video
from ._model import Model, Problem, Progress, Response, Segment, Session, SpeechChunk, Transcript, version
from ._work import Stream

__version__ = version()

__all__ = [
    "Audio", "CacheFullError", "CancelledError", "ContextFullError", "Image", "InvalidInputError", "InvalidModelError",
    "MioError", "Model", "Problem", "Progress", "Response", "Segment", "Session", "SpeechChunk", "Stream", "Transcript",
    "UnsupportedError", "Video", "version",
]
