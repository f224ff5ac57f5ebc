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


def bmp(width, height, bits, pixels, palette=b"", gap=b"", compression=0, masks=b"", short=False, long=0):
    """Rows are padded to four bytes already."""
    if short:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        size = 40 + (long or 0)
        header = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, compression, len(pixels), 0, 0, 0, 0)
        if long > len(masks):
            header += bytes(long)
    start = 14 + len(header) + len(masks) + len(palette) + len(gap)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + masks + palette + gap + pixels


def padded(rows):
    return b"".join(row + bytes(-len(row) % 4) for row in rows)


def webp(frames):
    file = io.BytesIO()
    frames[0].save(
        file, "WEBP", save_all=True, append_images=frames[1:], duration=40, lossless=True, exact=True, minimize_size=False)
    return file.getvalue()


def on_white(image):
    """Alpha blended in numbers of 8 bits, rounded."""
    pixels = image.convert("RGBA").tobytes()
    rgb = bytearray()
    for start in range(0, len(pixels), 4):
        alpha = pixels[start + 3]
        rgb += bytes((value * alpha + 255 * (255 - alpha) + 127) // 255 for value in pixels[start:start + 3])
    return bytes(rgb)


colors = bytes(range(9))
rows = [bytes(range(20 * row, 20 * row + 9)) for row in range(3)]
indices = [bytes([0, 1, 2, 3, 1]), bytes([3, 2, 1, 0, 2])]
blue_green_red = bytes([10, 20, 30, 0, 200, 0, 0, 0, 0, 200, 0, 0, 0, 0, 200, 0]) + bytes(4 * 252)
steps = [Image.frombytes("RGBA", (4, 3), bytes((i * 37 + 60 * k) % 256 for i in range(48))) for k in range(3)]
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
    "a BMP stored from the top": bmp(3, -3, 24, padded(rows)),
    "a BMP of indices stored from the top": bmp(5, -2, 8, padded(indices), blue_green_red),
    "a BMP with a small gap": bmp(3, 3, 24, padded(rows), gap=bytes(30)),
    "a BMP with a large gap": bmp(3, 3, 24, padded(rows), gap=b"\xaa" * 5000),
    "a BMP of indices with a gap": bmp(5, 2, 8, padded(indices), blue_green_red, gap=b"\xaa" * 5000),
    "a BMP of 16 bits with masks and a gap": bmp(
        2, 2, 16, words(0xFFFF, 0xF8, 0, 0xE007), gap=b"\xaa" * 2000, compression=3, masks=struct.pack("<3I", 0xF800, 0x7E0, 0x1F)),
    "a BMP of 16 bits with masks in its header": bmp(
        2, 2, 16, words(0xFFFF, 0xF8, 0, 0xE007), compression=3, masks=struct.pack("<3I", 0xF800, 0x7E0, 0x1F), long=12),
    "a BMP of OS/2, the second form": bmp(5, 2, 8, padded(indices), blue_green_red, long=24),
    "a BMP of OS/2": bmp(3, 3, 24, padded(rows), short=True),
    "an animated WebP": webp(steps),
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
image = Image.open(io.BytesIO(files["an animated WebP"]))
for index in range(3):
    image.seek(index)
    expected[f"later WebP frames, {index}"] = {
        "file": base64.b64encode(files["an animated WebP"]).decode(), "width": 4, "height": 3,
        "rgb": image.convert("RGB").tobytes().hex()}
# Images of which some pixels are transparent, on white.
alpha = io.BytesIO()
steps[0].save(alpha, "WEBP", lossless=True, exact=True)
transparent = gif[:13] + gif[13:] + b"\x21\xf9\x04\x01\0\0\x02\0" + frame(1, 1, 3, 2) + b";"
masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
seen = {
    "gray and alpha of 16 bits": files["gray and alpha of 16 bits"],
    "gray and alpha": png(4, 8, bytes([10, 255, 200, 0, 90, 100])),
    "colors and alpha": png(6, 8, bytes([10, 20, 30, 255, 1, 2, 3, 0, 200, 100, 50, 77])),
    "a palette with alpha": png(3, 8, bytes([0, 1, 2]), chunk(b"PLTE", colors) + chunk(b"tRNS", bytes([255, 0, 99]))),
    "a WebP": alpha.getvalue(),
    "an animated WebP": files["an animated WebP"],
    "a GIF": transparent,
}
for name, file in seen.items():
    image = Image.open(io.BytesIO(file))
    rgb = on_white(image)
    if name == "gray and alpha of 16 bits":  # which Pillow reads as I;16 in some versions
        values = [(300 >> 8, 255), (40000 >> 8, 0), (65535 >> 8, 0)]
        rgb = b"".join(bytes([(v * a + 255 * (255 - a) + 127) // 255] * 3) for v, a in values)
    expected["on white: " + name] = {
        "file": base64.b64encode(file).decode(), "width": image.width, "height": image.height, "rgb": rgb.hex()}
path = pathlib.Path(__file__).parent / "image-edges.json"
path.write_text(json.dumps(expected, indent=1) + "\n")
