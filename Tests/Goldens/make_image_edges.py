"""Makes image-edges.json: small images at the edges of their formats, and how Pillow shows them upright.

Run with Pillow installed: python3 Tests/Goldens/make_image_edges.py
"""
import base64
import io
import json
import pathlib
import struct
import zlib

from PIL import Image, ImageOps


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(color, bits, row, extra=b"", end=chunk(b"IEND", b"")):
    """One row of three pixels."""
    header = chunk(b"IHDR", struct.pack(">2I5B", 3, 1, bits, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(b"\0" + row)) + end


def words(*values):
    return b"".join(struct.pack(">H", value) for value in values)


def tiff(kind):
    """EXIF data that state orientation 6 as SHORT (3) or LONG (4)."""
    value = struct.pack(">I", 6) if kind == 4 else struct.pack(">HH", 6, 0)
    return b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHI", 0x112, kind, 1) + value + bytes(4)


def codes(count):
    """Indices 0, 1, 2, 3, 0 ... as GIF packs them, the table emptied before each."""
    bits = [code for index in range(count) for code in (4, index % 4)] + [5]
    number = sum(code << 3 * place for place, code in enumerate(bits))
    packed = number.to_bytes((3 * len(bits) + 7) // 8, "little")
    return bytes([2, len(packed)]) + packed + b"\0"


def frame(left, top, width, height):
    return b"\x2c" + struct.pack("<4HB", left, top, width, height, 0) + codes(width * height)


def jpeg(name, content):
    file = io.BytesIO()
    Image.new("RGB", (3, 1), (9, 9, 9)).save(file, "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(name + content) + 2) + name + content
    return file.getvalue()[:2], segment, file.getvalue()[2:]


colors = bytes(range(9))
whole = png(2, 8, colors)
xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
exif = b"Exif\0\0" + tiff(3)
profile = b"\nexif\n%8d\n" % len(exif) + exif.hex().encode() + b"\n"
gif = b"GIF89a" + struct.pack("<2HBBB", 4, 4, 0x81, 3, 0) + bytes([10, 20, 30, 200, 0, 0, 0, 200, 0, 0, 0, 200])
files = {
    "gray and alpha of 16 bits": png(4, 16, words(300, 65535, 40000, 0, 65535, 100)),
    "gray of 16 bits with a transparent one": png(0, 16, words(100, 300, 40000), chunk(b"tRNS", words(300))),
    "a PNG without its last chunk": png(2, 8, colors, end=b""),
    "a PNG with a part of its last chunk": whole[:-5],
    "orientation as LONG": png(2, 8, colors, chunk(b"eXIf", tiff(4))),
    "orientation in the XMP of a PNG": png(2, 8, colors, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)),
    "orientation in packed XMP": png(2, 8, colors, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp))),
    "orientation in a raw profile": png(
        2, 8, colors, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))),
    "orientation behind fill bytes": (b"\xff" * 3).join(jpeg(b"", exif)[:2]) + jpeg(b"", exif)[2],
    "orientation in the XMP of a JPEG": b"".join(jpeg(b"http://ns.adobe.com/xap/1.0/\0", xmp)),
    "a first GIF frame that sticks out": gif + frame(2, 2, 4, 3) + b";",
}
expected = {}
for name, file in files.items():
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(file))).convert("RGB")
    expected[name] = {
        "file": base64.b64encode(file).decode(), "width": image.width, "height": image.height,
        "rgb": image.tobytes().hex()}
# A later frame that sticks out makes the image larger from then on.
film = gif + frame(0, 0, 4, 4) + frame(2, 2, 4, 3) + frame(0, 0, 2, 2) + b";"
image = Image.open(io.BytesIO(film))
for index in range(3):
    image.seek(index)
    shown = image.convert("RGB")
    expected[f"later GIF frames, {index}"] = {
        "file": base64.b64encode(film).decode(), "width": shown.width, "height": shown.height, "rgb": shown.tobytes().hex()}
path = pathlib.Path(__file__).parent / "image-edges.json"
path.write_text(json.dumps(expected, indent=1) + "\n")
