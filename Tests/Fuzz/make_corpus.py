"""Makes the small files that scripts/fuzz starts from: python3 Tests/Fuzz/make_corpus.py. Needs nothing but Python."""
import base64
import io
import json
import pathlib
import pickle
import shutil
import struct
import sys
import types
import zipfile

here = pathlib.Path(__file__).parent
goldens = here.parent / "Goldens"
corpus = here / "corpus"


def write(target, name, content):
    path = corpus / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


for file in sorted((here.parent.parent / "format-spec/vectors/valid").glob("*.mio")):
    content = file.read_bytes()
    offset, length = struct.unpack_from("<QQ", content, 40)
    write("directory", file.stem, content[offset:offset + length])

write("blob", "literals", struct.pack("<H", 5) + b"\x50hello")
write("blob", "match", struct.pack("<H", 25) + b"\x1fa\x01\x00\x00\x50aaaaa")


def tokenizer(added):
    """A blob of the bytes, three pieces and added tokens of (text, id, flags)."""
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)] + [(f"<0x{value:02X}>", 0.0, 6) for value in range(256)]
    pieces += [("\u2581", -1.0, 1), ("he", -2.0, 1), ("\u2581he", -3.0, 1)]
    added = sorted(added, key=lambda token: token[0].encode())
    strings = [text.encode() for text, *_ in pieces] + [text.encode() for text, *_ in added] + [" \u2047 ".encode()]
    pool = b"".join(strings)
    blob = b"MTOK" + struct.pack("<5I", 1, 0b0111, len(pieces), len(added), len(pool))
    blob += struct.pack("<10i", 1, 2, 0, -1, -1, -1, -1, -1, -1, -1) + struct.pack("<4I", 0, 0, 0, 0)
    ends = [sum(map(len, strings[:index + 1])) for index in range(len(strings))]
    pad = lambda content: content + bytes(-len(content) % 4)
    blob += struct.pack(f"<{len(ends)}I", *ends) + struct.pack(f"<{len(pieces)}f", *(score for _, score, _ in pieces))
    blob += pad(bytes(kind for *_, kind in pieces)) + struct.pack(f"<{len(added)}I", *(id for _, id, _ in added))
    return blob + pad(bytes(flags for *_, flags in added)) + pad(pool)


write("tokenizer", "plain", tokenizer([]))
write("tokenizer", "added", tokenizer([("<a>", 262, 0), ("he", 263, 0), ("<b>", 264, 12), ("</s>", 2, 4), ("\u2581x", 290, 3)]))

for file in (goldens / "speech/tiny-mio").glob("*config.json"):
    if file.stat().st_size < 4096:
        write("json", file.name, file.read_bytes())
write("json", "escapes", json.dumps({"a": [1, -2.5e-7, True, None, "\u00e9\U0001f600\n"], "b": {}}).encode())
write("codes", "speech", b'{"modality": "speech", "codes": [[1, 2], [3, 1023]], "ids": [5], "text": "<spch1>\\n"}')
write("codes", "image", b'\xef\xbb\xbf{"codes": [1, 2, 8191], "x": [{"y": [1.5e3, "a", null]}]}')

header = json.dumps({"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
                     "b": {"dtype": "BF16", "shape": [3], "data_offsets": [16, 22]}}).encode()
write("safetensors", "two", struct.pack("<Q", len(header)) + header + bytes(22))

# What torch.save writes, without torch.
module = types.ModuleType("torch._utils")
torch = types.ModuleType("torch")
sys.modules.update({"torch": torch, "torch._utils": module})


def _rebuild_tensor_v2(*arguments):
    raise NotImplementedError


class FloatStorage:
    pass


class Tensor:
    def __reduce__(self):
        return (_rebuild_tensor_v2, (Storage(), 0, (2, 2), (2, 1), False, None))


class Storage:
    pass


_rebuild_tensor_v2.__module__ = "torch._utils"
_rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
FloatStorage.__module__ = "torch"
module._rebuild_tensor_v2 = _rebuild_tensor_v2
torch.FloatStorage = FloatStorage


class Pickler(pickle._Pickler):
    def persistent_id(self, value):
        return ("storage", FloatStorage, "0", "cpu", 4) if isinstance(value, Storage) else None


pickled = io.BytesIO()
Pickler(pickled, 2).dump({"weight": Tensor(), "step": 3})
archive = io.BytesIO()
with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
    for name, content in [("data.pkl", pickled.getvalue()), ("byteorder", b"little"), ("data/0", bytes(16)), ("version", b"3\n")]:
        file.writestr(zipfile.ZipInfo("a/" + name), content)
write("torch", "tensor", archive.getvalue())

write("sentencepiece", "tiny", (goldens / "speech/tiny-mio/tokenizer.model").read_bytes())
for name, target in [("disposal.gif", "gif"), ("interlaced.gif", "gif"), ("rgb.png", "image"), ("palette-transparent.png", "image"),
                     ("gray16.png", "image"), ("turned.jpg", "image"), ("cmyk.jpg", "image"), ("progressive.jpg", "image"),
                     ("palette.bmp", "image"), ("lossy.webp", "webp"), ("lossless.webp", "webp")]:
    shutil.copy(goldens / "image-kinds" / name, corpus / target / name) if (corpus / target).exists() else write(
        target, name, (goldens / "image-kinds" / name).read_bytes())
edges = json.loads((goldens / "image-edges.json").read_text())
for name, target in [("an animated WebP", "webp"), ("later GIF frames, 0", "gif"), ("orientation in packed XMP", "image"),
                     ("orientation in a raw profile", "image"), ("a BMP of OS/2, the second form", "image")]:
    write(target, name.replace(" ", "-").replace(",", "").replace("/", ""), base64.b64decode(edges[name]["file"]))

write("sound", "extensible.wav", (goldens / "speech/expected/audio/mono16k_extensible.wav").read_bytes())
samples = struct.pack("<100h", *(100 * index for index in range(100)))
head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 2, 16000, 64000, 4, 16, b"data", len(samples))
write("sound", "stereo.wav", head + samples)
write("sound", "short.au", struct.pack(">4sIIIII", b".snd", 24, 32, 3, 8000, 1) + samples[:32])
# The first byte says how many arrive at a time.
write("stream", "bare", b"\x06" + samples)
write("stream", "stereo", b"\x02" + head[:36] + b"LIST\3\0\0\0abc\0" + head[36:40] + b"\xff\xff\xff\xff" + samples)
write("stream", "cut", b"\x40" + head[:30])

write("form", "file", b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nmio\r\n--b\r\nContent-Disposition: form-data; '
      b'name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\0\r\n-\r\n--b--\r\n')
write("form", "list", b'x--b\r\nContent-Disposition: form-data; name=a[]\r\n\r\n1\r\n--b\r\ncontent-disposition: form-data; name="a"\r\n'
      b'\r\ntrue\r\n--b\r\n\r\n\r\n\r\n--b--')
picture = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n").decode()
write("chat", "parts", json.dumps({"model": "mio", "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": [
    {"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": picture}},
    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]}], "modalities": ["text", "audio"],
    "audio": {"voice": "x", "format": "wav"}, "stop": ["a", "b"], "stream": True, "stream_options": {"include_usage": True}}).encode())
write("chat", "plain", json.dumps({"messages": [{"role": "user", "content": "hi"}], "stop": "x", "seed": 1, "max_tokens": 3,
                                   "temperature": 0.5, "response_format": {"type": "text"}, "n": 2}).encode())
write("wyoming", "inline", b'{"type": "transcribe", "data": {"text": "hi"}}\n{"type": "synthesize", "data_length": 14}\n{"text": "hey"}')
write("wyoming", "payload", b'{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}, "payload_length": 4}\n\0\1\2\3'
      b'{"type": "audio-stop"}\n')
