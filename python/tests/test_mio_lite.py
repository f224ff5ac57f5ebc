"""The package as a stranger uses it; run with: python -m unittest (MIO_WHOLE names a model with all parts)."""

import array
import asyncio
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import mio_lite
from mio_lite import Audio, Image, Model, SpeechChunk, Video

try:
    import numpy
except ImportError:
    numpy = None

THREE = "This is the first one. This is the second one. And this is the last of them."
LONG = "This is a very long text. " * 400
WHOLE = os.environ.get("MIO_WHOLE")


def spoken_length(model):
    return len(model.speak("Good morning.", seed=1))


class SpeechTests(unittest.TestCase):
    def setUp(self):
        self.model = Model()

    def tearDown(self):
        self.model.close()

    def test_speaks_and_listens(self):
        audio = self.model.speak("Good morning.", seed=1)
        self.assertEqual(audio.sample_rate, 16000)
        self.assertEqual(audio.text, "Good morning.")
        self.assertEqual(audio, self.model.speak("Good morning.", seed=1))
        self.assertAlmostEqual(self.model.speak("Good morning.", seed=1, speed=2).duration, audio.duration / 2, 2)
        with tempfile.TemporaryDirectory() as folder:
            for name in ["a.wav", "a.flac", "a.ogg", "a.mp3"]:
                path = Path(folder, name)
                audio.save(path)
                self.assertEqual(self.model.transcribe(path).text, "good morning")
            self.assertEqual(self.model.transcribe(str(path)).text, "good morning")
            with self.assertRaises(mio_lite.InvalidInputError) as caught:
                audio.save(Path(folder, "a.xyz"))
            self.assertIn("a.xyz", str(caught.exception))
        transcript = self.model.transcribe((audio.samples, audio.sample_rate))
        self.assertEqual(transcript.text, "good morning")
        self.assertLess(transcript.segments[0].start, transcript.segments[0].end)
        self.assertEqual(self.model.transcribe(Audio(list(audio.samples), 16000)).text, "good morning")

    def test_streams_give_what_the_whole_has(self):
        with self.model.speech(THREE, seed=1) as stream:
            chunks = list(stream)
        self.assertEqual([chunk.index for chunk in chunks], [0, 1, 2])
        self.assertIsInstance(chunks[0], SpeechChunk)
        samples = array.array("f")
        for chunk in chunks:
            samples.extend(chunk.audio.samples)
        self.assertEqual(samples, self.model.speak(THREE, seed=1).samples)

    def test_leaving_a_stream_stops_the_work(self):
        before = threading.active_count()
        for chunk in self.model.speech(LONG, seed=1):
            break
        with self.model.speech(LONG, seed=1) as stream:
            next(stream)
        stream = self.model.speech(LONG, seed=1)
        next(stream)
        stream.cancel()
        with self.assertRaises(mio_lite.CancelledError):
            list(stream)
        del stream
        deadline = time.monotonic() + 10
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(threading.active_count(), before)

    def test_the_interpreter_is_free_meanwhile(self):
        counter = 0
        done = threading.Event()

        def speak():
            self.model.speak(4 * (THREE + " "), seed=1)
            done.set()

        thread = threading.Thread(target=speak)
        thread.start()
        while not done.is_set():
            counter += 1
            time.sleep(0.001)
        thread.join()
        # A call that kept the interpreter would leave it free before and behind itself alone; a busy machine gives few turns.
        self.assertGreater(counter, 4)

    def test_is_interrupted_by_ctrl_c(self):
        code = f"from mio_lite import Model\nmodel = Model()\nprint('ready', flush=True)\nmodel.speak({LONG!r})"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(process.stdout.readline().strip(), b"ready")
        time.sleep(0.3)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, notes = process.communicate(timeout=30)
        self.assertIn(b"KeyboardInterrupt", notes)
        self.assertNotEqual(process.returncode, 0)
        self.assertLess(time.monotonic() - start, 10)

    def test_a_program_may_end_while_a_stream_is_open(self):
        code = f"from mio_lite import Model\nstream = Model().speech({LONG!r})\nprint(next(stream).index)"
        result = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        self.assertEqual((result.returncode, result.stdout.strip()), (0, b"0"), result.stderr.decode())

    def test_asyncio(self):
        async def whole():
            first, second = await asyncio.gather(
                self.model.speech("Good morning.", seed=1), self.model.speech("Good night.", seed=1))
            return first, second

        async def pieces():
            return [chunk.index async for chunk in self.model.speech(THREE, seed=1)]

        async def cancelled():
            task = asyncio.ensure_future(self.model.speech(LONG, seed=1))
            await asyncio.sleep(0.3)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        first, second = asyncio.run(whole())
        self.assertEqual(first, self.model.speak("Good morning.", seed=1))
        self.assertNotEqual(first, second)
        self.assertEqual(asyncio.run(pieces()), [0, 1, 2])
        asyncio.run(cancelled())

    def test_many_threads_share_a_model(self):
        results = [None] * 6

        def speak(index):
            results[index] = self.model.speak("Good morning.", seed=1)

        threads = [threading.Thread(target=speak, args=(index,)) for index in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertTrue(all(result == results[0] for result in results))

    def test_pickles_by_path(self):
        again = pickle.loads(pickle.dumps(self.model))
        self.assertEqual(again.path, self.model.path)
        expected = spoken_length(self.model)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as workers:
            self.assertEqual(workers.submit(spoken_length, self.model).result(), expected)

    def test_a_fork_says_what_to_do(self):
        child = os.fork()
        if child == 0:
            try:
                self.model.has_speech
            except mio_lite.MioError as error:
                os._exit(0 if "spawn" in str(error) else 1)
            os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)

    def test_codes(self):
        audio = self.model.speak("Good morning.", seed=1)
        codes = self.model.encode(audio, codebooks=4)
        self.assertEqual(len(codes), 4)
        self.assertIsInstance(self.model.decode(codes), Audio)

    def test_errors(self):
        cases = [
            (mio_lite.InvalidModelError, lambda: Model("/nonexistent.mio")),
            (mio_lite.InvalidInputError, lambda: self.model.speak("...")),
            (mio_lite.InvalidInputError, lambda: self.model.speak("a\0b")),
            (mio_lite.InvalidInputError, lambda: self.model.speak("hello", beams=-1)),
            (TypeError, lambda: self.model.speak("hello", tempo=2)),
            (TypeError, lambda: self.model.speak(7)),
            (ValueError, lambda: self.model.transcribe("/nonexistent.wav")),
            (mio_lite.UnsupportedError, lambda: self.model.draw("a house")),
            (mio_lite.InvalidInputError, lambda: Image(b"123", 2, 2)),
            (mio_lite.InvalidInputError, lambda: self.model.decode([[1, 2], [3]])),
            (mio_lite.InvalidInputError, lambda: self.model.transcribe(Audio([0.0], 0))),
        ]
        for kind, body in cases:
            with self.assertRaises(kind):
                body()
        self.model.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            self.model.speak("hello")

    def test_is_what_it_says(self):
        self.assertTrue(self.model.has_speech)
        self.assertFalse(self.model.can_draw)
        self.assertIn("MIO", self.model.about + " MIO")
        self.assertEqual(mio_lite.__version__, mio_lite.version())

    def test_the_command_line(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "hello.wav")
            call = [sys.executable, "-m", "mio_lite", "tts", "hello world", "--seed", "1", "-q", "-o", path]
            subprocess.run(call, check=True)
            heard = subprocess.run([sys.executable, "-m", "mio_lite", "asr", path], check=True, stdout=subprocess.PIPE)
            self.assertEqual(heard.stdout.strip(), b"hello world")

    @unittest.skipIf(numpy is None, "NumPy is not installed")
    def test_numpy(self):
        audio = self.model.speak("Good morning.", seed=1)
        samples = audio.numpy()
        self.assertEqual((samples.dtype, samples.shape), (numpy.float32, (len(audio),)))
        for wave in [samples, samples.astype(numpy.float64), samples[::1]]:
            self.assertEqual(self.model.transcribe((wave, 16000)).text, "good morning")
        with self.assertRaises(mio_lite.InvalidInputError):
            Audio(numpy.zeros((2, 10), numpy.float32), 16000)
        with self.assertRaises(mio_lite.InvalidInputError):
            Audio(numpy.zeros(10, numpy.int16), 16000)
        pixels = numpy.arange(5 * 4 * 3, dtype=numpy.uint8).reshape(5, 4, 3)
        image = Image.from_array(pixels)
        self.assertEqual((image.width, image.height), (4, 5))
        self.assertTrue((image.numpy() == pixels).all())
        self.assertEqual(len(Video(numpy.zeros((2, 4, 4, 3), numpy.uint8)).frames), 2)
        with self.assertRaises(mio_lite.InvalidInputError):
            Image.from_array(numpy.zeros((4, 4), numpy.uint8))
        with self.assertRaises(mio_lite.InvalidInputError):
            Image.from_array(numpy.zeros((4, 4, 3), numpy.float32))


@unittest.skipIf(WHOLE is None, "no model with all parts: MIO_WHOLE")
class WholeModelTests(unittest.TestCase):
    def setUp(self):
        self.model = Model(WHOLE)

    def test_draws_and_sees(self):
        stream = self.model.drawing("a lighthouse", seed=1, steps=4, sampler="unipc")
        parts = list(stream)
        image = parts[-1]
        self.assertIsInstance(image, Image)
        self.assertTrue(any(isinstance(part, mio_lite.Progress) for part in parts))
        self.assertEqual(image, self.model.draw("a lighthouse", seed=1, steps=4, sampler="unipc"))
        self.assertEqual(len(self.model.encode(image)), 32)
        self.assertEqual(self.model.decode(image.codes, seed=1, steps=4, sampler="unipc"), image)
        self.assertIsInstance(self.model.edit(image, "make it night", seed=1, steps=4), Image)
        self.assertIsInstance(self.model.describe(image, greedy=True, max_tokens=8), str)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a.png")
            image.save(path)
            self.assertEqual(self.model.encode(path), self.model.encode(image))
            self.assertIsInstance(self.model.describe(str(path), "What is it?", greedy=True, max_tokens=8), str)

    def test_talks(self):
        session = self.model.session("You answer.", greedy=True, max_tokens=12, draws=False)
        image = Image(bytes(range(12)), 2, 2)
        reply = session.respond("What is this?", image, Video([image, image]), (array.array("f", [0.1] * 8000), 16000))
        self.assertIsInstance(reply.text, str)
        again = self.model.session("You answer.", snapshot=session.snapshot(), greedy=True, max_tokens=12, draws=False)
        self.assertEqual(again.respond("And now?").text, session.respond("And now?").text)
        with self.assertRaises(mio_lite.InvalidInputError):
            session.respond()
        with self.assertRaises(mio_lite.InvalidInputError):
            self.model.session(snapshot="{}")

    def test_tokens(self):
        ids = self.model.tokenize("Hello, world")
        self.assertIn("Hello, world", self.model.detokenize(ids))
        self.assertLessEqual(len(self.model.generate(ids, greedy=True, max_tokens=8)), 8)
        with self.assertRaises(mio_lite.InvalidInputError):
            self.model.detokenize([-1])


if __name__ == "__main__":
    unittest.main()
