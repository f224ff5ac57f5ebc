#!/usr/bin/env python3
"""Small images of many kinds, and what Pillow's convert("RGB") makes of them.

    pip install pillow==10.4.0
    python make_image_kinds.py image-kinds

Writes the images and expected.json: name -> width, height, SHA-256 of the RGB bytes (null for lossy or naively converted kinds),
and the RGB bytes themselves in hexadecimal, for comparisons with a tolerance.
"""
import hashlib, json, os, sys
from PIL import Image

W, H = 23, 17
out = sys.argv[1]
os.makedirs(out, exist_ok=True)


def values(count, step):
    return bytes((i * i // 5 + i * step) % 256 for i in range(count))


rgb = Image.frombytes("RGB", (W, H), values(3 * W * H, 7))
rgba = Image.frombytes("RGBA", (W, H), values(4 * W * H, 11))
gray = rgb.convert("L")
la = Image.frombytes("LA", (W, H), values(2 * W * H, 3))
palette = rgb.quantize(16)
smooth = Image.merge("CMYK", [Image.linear_gradient("L").resize((W, H)).rotate(90 * k).resize((W, H)) for k in range(4)])
deep = Image.frombytes("I;16", (W, H), b"".join(int(i * 37 % 700).to_bytes(2, "little") for i in range(W * H)))

images = {
    "rgb.png": rgb, "rgba.png": rgba, "gray.png": gray, "gray-alpha.png": la, "palette.png": palette, "gray16.png": deep,
    "one-bit.png": gray.point(lambda v: 255 * (v > 99)).convert("1"), "rgb.bmp": rgb, "palette.bmp": palette,
    "gray.bmp": gray, "palette.gif": palette, "cmyk.jpg": smooth, "gray.jpg": smooth.convert("L"),
}
for name, image in images.items():
    image.save(os.path.join(out, name), **({"quality": 95} if name.endswith("jpg") else {}))
palette.save(os.path.join(out, "palette-transparent.png"), transparency=3)
frames = [rgb.rotate(180 * k).quantize(32) for k in range(3)]
frames[0].save(os.path.join(out, "animated.gif"), save_all=True, append_images=frames[1:], duration=50)
# Frames that cover a part, are removed again in each of the ways there are, and leave pixels as they were.
shapes = [Image.new("RGBA", (W, H), (200, 30, 60, 255))]
for k in range(4):
    shape = Image.new("RGBA", (W, H), (0, 0, 0, 0))
    shape.paste(rgb.convert("RGBA").resize((9, 7)), (3 * k, 2 * k))
    shape.putpixel((3 * k + 2, 2 * k + 2), (0, 0, 0, 0))
    shapes.append(shape)
shapes[0].save(
    os.path.join(out, "disposal.gif"), save_all=True, append_images=shapes[1:], duration=[30, 70, 0, 110, 200],
    disposal=[1, 2, 3, 1, 0], interlace=1, loop=0, optimize=False)
rgb.save(os.path.join(out, "interlaced.gif"), interlace=1)
soft = Image.merge("RGB", smooth.split()[:3])
soft.save(os.path.join(out, "subsampled.jpg"), quality=75)
soft.save(os.path.join(out, "progressive.jpg"), quality=80, progressive=True)
rgba.save(os.path.join(out, "lossless.webp"), lossless=True, exact=True)
soft.save(os.path.join(out, "lossy.webp"), quality=80)
turned = Image.Exif()
turned[0x0112] = 6
smooth.convert("RGB").save(os.path.join(out, "turned.jpg"), exif=turned, quality=95)



def shown(name):
    with Image.open(os.path.join(out, name)) as film:
        frames = []
        for index in range(film.n_frames):
            film.seek(index)
            digest = hashlib.sha256(film.convert("RGB").tobytes()).hexdigest()
            frames.append({"sha256": digest, "duration": film.info.get("duration", 0)})
        return frames


expected = {}
for name in sorted(os.listdir(out)):
    if name.endswith("json"):
        continue
    image = Image.open(os.path.join(out, name)).convert("RGB")
    pixels = image.tobytes()
    lossy = name.endswith("jpg")
    expected[name] = {
        "width": image.width, "height": image.height,
        # Of an animation, every frame as it is shown, and how long, in milliseconds.
        **({"frames": shown(name)} if name.endswith("gif") else {}),
        "sha256": None if lossy else hashlib.sha256(pixels).hexdigest(), "rgb": pixels.hex() if lossy else None,
    }
json.dump(expected, open(os.path.join(out, "expected.json"), "w"), indent=1)
