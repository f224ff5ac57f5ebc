"""How work is done: on a thread of its own, with results that are read as they come."""

from __future__ import annotations

import asyncio
import ctypes
import queue
import threading
from typing import TYPE_CHECKING, Any, Dict, Generic, Iterator, List, TypeVar

from . import _errors, _library
from ._errors import InvalidInputError
from ._media import Audio, Image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

    Codes = List[int] | List[List[int]]

_Piece = TypeVar("_Piece")
_Whole = TypeVar("_Whole")


class Call:
    """A mio_call: options in, the words about an error out, and the way to stop."""

    def __init__(self, options: Dict[str, Any]) -> None:
        self._lock = threading.Lock()
        self._pointer: int | None = None
        self._pointer = _library.library.mio_call_new()
        for name, value in options.items():
            if value is not None:
                self._set(name, value)

    @property
    def pointer(self) -> int:
        assert self._pointer is not None
        return self._pointer

    def _set(self, name: str, value: Any) -> None:
        if name not in _library.OPTIONS:
            raise TypeError(f"no option {name!r}; there are {', '.join(sorted(_library.OPTIONS))}")
        number, kind = _library.OPTIONS[name]
        if kind == "text":
            value = str(value).encode()
        elif kind == "real":
            value = float(value)
        elif not -(2**63) <= (value := int(value)) < 2**64:
            raise InvalidInputError(f"{name}: {value} is beyond 64 bits")
        status = getattr(_library.library, f"mio_set_{kind}")(self.pointer, number, value)
        if status != 0:
            raise InvalidInputError(f"{name}: {value!r} cannot be used")

    def check(self, status: int) -> None:
        """Raises the error of a status."""
        if status != 0:
            raise _errors.error(status, _library.library.mio_error(self.pointer).decode())

    def cancel(self) -> None:
        """Stops what the call does, from any thread."""
        with self._lock:
            if self._pointer is not None:
                _library.library.mio_cancel(self._pointer)

    def free(self) -> None:
        """Nothing may be done with the call afterwards but `cancel`."""
        with self._lock:
            pointer, self._pointer = self._pointer, None
        if pointer is not None:
            _library.library.mio_call_free(pointer)

    def __del__(self) -> None:
        self.free()


class Event:
    """A piece of a result, copied."""

    __slots__ = ("kind", "index", "count", "is_cut_short", "text", "audio", "image", "codes", "start", "end", "fraction")

    def __init__(self, event: _library.Event) -> None:
        self.kind: int = event.kind
        self.index: int = event.index
        self.count: int = event.count
        self.is_cut_short = bool(event.is_cut_short)
        self.text: str | None = None if event.text is None else event.text.decode()
        self.codes = _codes(event)
        self.start: float = event.start
        self.end: float = event.end
        self.fraction: float = event.fraction
        self.audio: Audio | None = None
        self.image: Image | None = None
        if event.kind == _library.AUDIO:
            data = ctypes.string_at(event.samples, 4 * event.sample_count) if event.sample_count else b""
            self.audio = Audio(memoryview(data).cast("f"), event.sample_rate, self.text, self.codes)  # type: ignore[arg-type]
        elif event.kind == _library.IMAGE and event.rgb:
            rgb = ctypes.string_at(event.rgb, 3 * event.width * event.height)
            self.image = Image(rgb, event.width, event.height, self.codes)  # type: ignore[arg-type]


def _codes(event: _library.Event) -> Codes:
    count: int = event.code_count
    if event.codebooks == 0:
        return event.codes[:count] if count else []
    return [event.codes[book * count : (book + 1) * count] for book in range(event.codebooks)]


class _Run(Generic[_Piece]):
    """One piece of work and its thread, which knows nothing of the stream: so that a stream that nobody holds is let go."""

    # Pieces that are made before the reader asks for them.
    _AHEAD = 8

    def __init__(
        self, work: Callable[[Call, Any], int], options: Dict[str, Any], piece: Callable[[Event], _Piece | None]
    ) -> None:
        self.call = Call(options)
        self.is_left = False
        self.queue: queue.Queue[_Piece | BaseException | None] = queue.Queue(self._AHEAD)
        self.thread = threading.Thread(target=self._run, name="mio_lite")
        self._work = work
        self._piece = piece

    def leave(self) -> None:
        """Nobody reads any more."""
        self.is_left = True
        self.call.cancel()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            self.call.check(self._work(self.call, _library.EVENT_FN(self._hear)))
        except BaseException as error:  # noqa: BLE001: it is raised where the results are read
            end = error
        self._put(end)

    def _hear(self, event: Any, _user: Any) -> int:
        try:
            piece = self._piece(Event(event.contents))
        except BaseException as error:  # noqa: BLE001: it would be lost in C
            self._put(error)
            return 0
        return 1 if piece is None else self._put(piece)

    def _put(self, piece: _Piece | BaseException | None) -> int:
        # An interpreter that ends waits for this thread, which nobody reads any more.
        while not self.is_left and threading.main_thread().is_alive():
            try:
                self.queue.put(piece, timeout=0.1)
                return 1
            except queue.Full:
                pass
        return 0


class Stream(Generic[_Piece, _Whole]):
    """Results as they are made.

    Iterate over it for the pieces, with `for` or `async for`; or take the whole with `result()` or `await`. Work starts when
    the first piece is asked for. It runs beside the reader, a few pieces ahead of it; the interpreter is free meanwhile.
    Leaving the stream (`close()`, the end of a `with`, Ctrl-C, a cancelled task, or when nobody holds it) stops the work.
    """

    def __init__(
        self, work: Callable[[Call, Any], int], options: Dict[str, Any], piece: Callable[[Event], _Piece | None],
        whole: Callable[[List[_Piece]], _Whole],
    ) -> None:
        """Takes the work, which is given a call and a callback; what it makes of an event, if anything; and of all pieces."""
        self._is_over = True
        self._has_started = False
        self._run: _Run[_Piece] = _Run(work, options, piece)
        self._whole = whole
        self._is_over = False

    def _next(self) -> _Piece | None:
        """The next piece; None at the end."""
        if self._is_over:
            return None
        if not self._has_started:
            self._has_started = True
            self._run.thread.start()
        found = self._run.queue.get()
        if found is None or isinstance(found, BaseException):
            self._is_over = True
            self._run.thread.join()
            self._run.call.free()
            if found is not None:
                raise found
            return None
        return found

    def cancel(self) -> None:
        """Stops the work, from any thread; whoever reads the stream gets a `CancelledError`."""
        self._run.call.cancel()

    def close(self) -> None:
        """Stops the work, and waits until it has stopped."""
        self._is_over = True
        self._run.leave()
        if self._has_started:
            self._run.thread.join()

    def result(self) -> _Whole:
        """Waits for all pieces, and returns the whole."""
        return self._whole(list(self))

    def __iter__(self) -> Iterator[_Piece]:
        return self

    def __next__(self) -> _Piece:
        try:
            piece = self._next()
        except _errors.MioError:
            raise
        except BaseException:  # Ctrl-C
            self.close()
            raise
        if piece is None:
            raise StopIteration
        return piece

    def __aiter__(self) -> AsyncIterator[_Piece]:
        return self

    async def __anext__(self) -> _Piece:
        try:
            piece = await asyncio.get_running_loop().run_in_executor(None, self._next)
        except asyncio.CancelledError:
            # The thread of the executor gets the end of the work.
            self.cancel()
            raise
        if piece is None:
            raise StopAsyncIteration
        return piece

    def __await__(self) -> Generator[Any, None, _Whole]:
        return self._all().__await__()

    async def _all(self) -> _Whole:
        return self._whole([piece async for piece in self])

    def __enter__(self) -> Stream[_Piece, _Whole]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._is_over:
            self._run.leave()


def handed_over(function: str, call: Call, *arguments: Any) -> int:
    """The pointer that a function of the library makes."""
    pointer = ctypes.c_void_p()
    call.check(_library.function(function)(call.pointer, *arguments, ctypes.byref(pointer)))
    assert pointer.value is not None
    return pointer.value


class Handle:
    """Something of the library that is freed when nobody uses it any more."""

    def __init__(self, pointer: int, free: str) -> None:
        self.pointer = pointer
        self._free = getattr(_library.library, free)

    def __del__(self) -> None:
        self._free(self.pointer)

