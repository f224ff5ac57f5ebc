"""Builds the wheel of mio_lite from what lies ready under a prefix; scripts/wheel calls it.

    python3 build_wheel.py LIBRARY PROGRAM MODEL FOLDER

The same inputs give the same bytes.
"""

import base64
import hashlib
import pathlib
import re
import sys
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def version() -> str:
    """The version that the header states."""
    header = (ROOT / "Sources/CMioLite/include/mio.h").read_text()
    return ".".join(re.findall(r"#define MIO_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header))


def metadata() -> str:
    """What package tools know."""
    return f"""\
Metadata-Version: 2.1
Name: mio-lite
Version: {version()}
Summary: Models that read and write text, speech and images, on ordinary CPUs
License: Apache-2.0
License-File: LICENSE
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: Python :: 3
Classifier: Typing :: Typed
Requires-Python: >=3.8
Provides-Extra: numpy
Requires-Dist: numpy; extra == "numpy"
Description-Content-Type: text/markdown

{(HERE / "README.md").read_text()}"""


def contents(library: pathlib.Path, program: pathlib.Path, model: pathlib.Path):
    """Names in the wheel, their bytes, and whether they are programs."""
    for source in sorted((HERE / "mio_lite").iterdir()):
        if source.suffix == ".py" or source.name == "py.typed":
            yield f"mio_lite/{source.name}", source.read_bytes(), False
    yield "mio_lite/lib/libmio.so.0", library.read_bytes(), True
    yield "mio_lite/bin/mio-lite", program.read_bytes(), True
    yield "mio_lite/share/mio-lite/demo.mio", model.read_bytes(), False
    folder = f"mio_lite-{version()}.dist-info"
    yield f"{folder}/METADATA", metadata().encode(), False
    tag = f"py3-none-linux_{machine_name(library)}"
    yield f"{folder}/WHEEL", f"Wheel-Version: 1.0\nGenerator: mio-lite\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(), False
    yield f"{folder}/entry_points.txt", b"[console_scripts]\nmio-lite = mio_lite.__main__:main\n", False
    yield f"{folder}/LICENSE", (ROOT / "LICENSE").read_bytes(), False


def machine_name(library: pathlib.Path) -> str:
    """The architecture of an ELF file."""
    number = int.from_bytes(library.read_bytes()[18:20], "little")
    return {62: "x86_64", 183: "aarch64"}[number]


def main() -> None:
    library, program, model, folder = map(pathlib.Path, sys.argv[1:5])
    wheel = folder / f"mio_lite-{version()}-py3-none-linux_{machine_name(library)}.whl"
    records = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, data: bytes, is_program: bool) -> None:
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if is_program else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)

        for name, data, is_program in contents(library, program, model):
            add(name, data, is_program)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            records.append(f"{name},sha256={digest},{len(data)}")
        record = f"mio_lite-{version()}.dist-info/RECORD"
        add(record, ("\n".join([*records, f"{record},,"]) + "\n").encode(), False)
    print(wheel)


if __name__ == "__main__":
    main()
