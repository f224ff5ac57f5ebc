#!/usr/bin/env python3
"""An independent reader of .mio files, written from SPEC.md; Python's standard library is all it needs.

    python3 mio_reader.py FILE...             what is in the files
    python3 mio_reader.py --verify FILE...    also checks every byte
    python3 mio_reader.py --json FILE...      one line of JSON per file, with digests of all values (implies --verify)

Exit status: 0 if every file was accepted, 1 otherwise. The functions follow the order of SPEC.md. It aims at being easy to compare
with that document, not at speed.
"""

import argparse
import hashlib
import json
import math
import os
import stat
import struct
import sys

# Limits.
MAX_FILE = 1 << 44
MAX_DIRECTORY = 1 << 24
MAX_SECTIONS = 16
MAX_RECORDS = {b"COMP": 64, b"TENS": 32768, b"BLOB": 1024}
MAX_CONFIG_ENTRIES = 256
MAX_TEXT = 65536
MAX_LIST = 65536
MAX_RANK = 4
MAX_DIMENSION = 2**31 - 1
MAX_BLOB = 1 << 26
ALIGNMENT = 64

HEADER_SIZE = 128
MAGIC = bytes.fromhex("89 4D 49 4F 0D 0A 1A 0A")
TEXT_DAMAGE = [bytes.fromhex(start) for start in
               ("09 4D 49 4F", "C2 89 4D 49", "EF BF BD 4D", "89 4D 49 4F 0A", "89 4D 49 4F 0D 0D")]
BYTE_ORDER_MARK = 0x01020304
FORMAT_VERSION = 1
KNOWN_REQUIRED_FEATURES = 0

PLAIN_ENCODINGS = {1: ("f32", 4), 2: ("i32", 4), 3: ("u8", 1)}
PANEL_ENCODINGS = {16: "panel-f32", 17: "panel-f16", 18: "panel-q8", 19: "panel-q4"}
Q4_LEVELS = (-64, -51, -40, -32, -24, -17, -11, -5, 0, 6, 12, 18, 25, 33, 42, 55)
CONFIG_TYPES = {1: "int", 2: "float", 3: "bool", 4: "string", 5: "ints", 6: "floats", 7: "strings"}


class MioError(Exception):
    """A fault of a file; `code` is its name in SPEC.md."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


def aligned(offset):
    return (offset + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def sha256(data):
    return hashlib.sha256(data).digest()


# Header

def parse_header(data, actual_length):
    if data[:8] != MAGIC:
        if any(data.startswith(start) for start in TEXT_DAMAGE):
            raise MioError("textModeDamage", "the file was changed by a transfer in text mode")
        if MAGIC.startswith(data[:8]):
            raise MioError("truncated", "the file ends inside its magic")
        raise MioError("badMagic", "not a .mio file")
    if len(data) < HEADER_SIZE:
        raise MioError("truncated", "the file ends inside its header")
    mark, version = struct.unpack_from("<II", data, 8)
    if mark != BYTE_ORDER_MARK:
        raise MioError("badByteOrder", f"byte order mark {mark:#010x}")
    if version != FORMAT_VERSION:
        raise MioError("unsupportedVersion", f"format version {version}")
    if sha256(data[:96]) != data[96:128]:
        raise MioError("headerHashMismatch", "the header is damaged")
    length, required, optional, offset, size, reserved = struct.unpack_from("<QQQQQQ", data, 16)
    if required & ~KNOWN_REQUIRED_FEATURES:
        raise MioError("unknownRequiredFeature", f"required features {required:#x}")
    if max(length, offset) > MAX_FILE or size > MAX_DIRECTORY:
        raise MioError("limitExceeded", "a length or offset in the header is too large")
    if reserved != 0:
        raise MioError("reservedNotZero", "reserved field of the header")
    if actual_length < length:
        raise MioError("truncated", f"{actual_length} of {length} bytes")
    if actual_length > length:
        raise MioError("trailingBytes", f"{actual_length - length} bytes behind the end")
    if offset < HEADER_SIZE or offset + size != length:
        raise MioError("malformedDirectory", "the directory is not at the end of the file")
    return {"length": length, "optional": optional, "offset": offset, "size": size,
            "digest": data[64:96], "identity": data[96:128]}


# Directory

class Cursor:
    """Takes fields from bytes and never beyond their end."""

    def __init__(self, data):
        self.data = data
        self.position = 0

    def take(self, count):
        if count > len(self.data) - self.position:
            raise MioError("malformedDirectory", "a field reaches beyond its section")
        self.position += count
        return self.data[self.position - count:self.position]

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def size(self):
        value = self.number("Q")
        if value > MAX_FILE:
            raise MioError("limitExceeded", f"{value} is larger than any file")
        return value

    def name(self, count):
        value = self.take(count)
        if not 1 <= count <= 255 or not all(0x21 <= byte <= 0x7E for byte in value):
            raise MioError("invalidName", repr(value))
        return value.decode("ascii")

    def at_end(self):
        return self.position == len(self.data)


def parse_directory(data, offset):
    cursor = Cursor(data)
    bodies = []
    for kind in (b"COMP", b"TENS", b"BLOB"):
        if cursor.take(4) != kind:
            raise MioError("malformedDirectory", f"section {kind.decode()} expected")
        count = cursor.number("I")
        if count > MAX_RECORDS[kind]:
            raise MioError("limitExceeded", f"{count} records in section {kind.decode()}")
        bodies.append((count, Cursor(cursor.take(cursor.size()))))
    sections = 3
    while not cursor.at_end():
        sections += 1
        if sections > MAX_SECTIONS:
            raise MioError("limitExceeded", "too many sections")
        kind = cursor.take(4)
        if kind in MAX_RECORDS or not kind.isalpha():
            raise MioError("malformedDirectory", f"section {kind!r}")
        if kind[:1].isupper():
            raise MioError("unknownRequiredFeature", f"section {kind!r}")
        cursor.number("I")
        cursor.take(cursor.size())

    def records(body, parse):
        count, inner = body
        result = [parse(inner) for _ in range(count)]
        if not inner.at_end():
            raise MioError("malformedDirectory", "bytes behind the last record")
        return result

    components = records(bodies[0], parse_component)
    require_unique(component["name"] for component in components)
    group = Grouping(components)
    tensors = records(bodies[1], lambda inner: parse_tensor(inner, group))
    require_unique((tensor["component"], tensor["name"]) for tensor in tensors)
    group = Grouping(components)
    blobs = records(bodies[2], lambda inner: parse_blob(inner, group))
    require_unique((blob["component"], blob["name"]) for blob in blobs)
    check_coverage(tensors + blobs, offset)
    return components, tensors, blobs


def require_unique(names):
    seen = set()
    for name in names:
        if name in seen:
            raise MioError("duplicateName", repr(name))
        seen.add(name)


class Grouping:
    """Turns component indexes into names; indexes must not descend."""

    def __init__(self, components):
        self.components = components
        self.last = 0

    def name(self, index):
        if index >= len(self.components):
            raise MioError("malformedDirectory", f"component {index} does not exist")
        if index < self.last:
            raise MioError("unsorted", "records are not grouped by component")
        self.last = index
        return self.components[index]["name"]


def parse_component(cursor):
    name = cursor.name(cursor.number("B"))
    flags = cursor.number("B")
    if flags > 1:
        raise MioError("reservedNotZero", f"flags {flags} of component {name}")
    count = cursor.number("H")
    if count > MAX_CONFIG_ENTRIES:
        raise MioError("limitExceeded", f"{count} configuration entries")
    config = []
    for _ in range(count):
        key = cursor.name(cursor.number("B"))
        if config and config[-1]["key"] >= key:  # ASCII: the order of characters is that of bytes
            raise MioError("duplicateName" if config[-1]["key"] == key else "unsorted", f"key {key}")
        kind = cursor.number("B")
        config.append({"key": key, "type": CONFIG_TYPES.get(kind), "value": parse_value(cursor, kind)})
    return {"name": name, "required": flags == 1, "config": config}


def parse_value(cursor, kind):
    if kind == 1:
        return cursor.number("q")
    if kind == 2:
        value = cursor.number("d")
        if not math.isfinite(value):
            raise MioError("invalidConfig", f"the number {value}")
        return value
    if kind == 3:
        value = cursor.number("B")
        if value > 1:
            raise MioError("invalidConfig", f"the truth {value}")
        return value == 1
    if kind == 4:
        count = cursor.number("I")
        if count > MAX_TEXT:
            raise MioError("limitExceeded", f"a text of {count} bytes")
        try:
            return cursor.take(count).decode("utf-8")
        except UnicodeDecodeError as error:
            raise MioError("invalidText", str(error)) from None
    if kind in (5, 6, 7):
        count = cursor.number("I")
        if count > MAX_LIST:
            raise MioError("limitExceeded", f"a list of {count} elements")
        if count * (8 if kind < 7 else 4) > len(cursor.data) - cursor.position:
            raise MioError("malformedDirectory", "a list reaches beyond its section")
        return [parse_value(cursor, {5: 1, 6: 2, 7: 4}[kind]) for _ in range(count)]
    raise MioError("invalidConfig", f"values of type {kind}")


def parse_tensor(cursor, group):
    component = group.name(cursor.number("H"))
    encoding = cursor.number("H")
    rank, name_length = cursor.number("B"), cursor.number("B")
    if cursor.number("H") != 0:
        raise MioError("reservedNotZero", "reserved field of a tensor")
    offset, length = cursor.size(), cursor.size()
    if not 1 <= rank <= MAX_RANK:
        raise MioError("invalidShape", f"rank {rank}")
    shape = [cursor.number("I") for _ in range(rank)]
    digest = cursor.take(32)
    name = cursor.name(name_length)
    expected = encoded_size(encoding, shape)
    if length != expected:
        raise MioError("wrongByteCount", f"{component}/{name} has {length} bytes, {expected} expected")
    return {"component": component, "name": name, "encoding": encoding, "shape": shape, "offset": offset,
            "length": length, "digest": digest}


def encoded_size(encoding, shape):
    """Bytes of a tensor. Python's integers do not overflow; other readers must take care here."""
    if encoding not in PLAIN_ENCODINGS and encoding not in PANEL_ENCODINGS:
        raise MioError("unknownEncoding", f"encoding {encoding}")
    if not all(1 <= dimension <= MAX_DIMENSION for dimension in shape):
        raise MioError("invalidShape", f"shape {shape}")
    if encoding in PLAIN_ENCODINGS:
        size = PLAIN_ENCODINGS[encoding][1] * math.prod(shape)
    elif len(shape) != 2:
        raise MioError("invalidShape", f"panels of shape {shape}")
    else:
        panels, groups = -(-shape[0] // 16), -(-shape[1] // 32)
        size = panels * {16: 64 * shape[1], 17: 32 * shape[1], 18: 544 * groups, 19: 288 * groups}[encoding]
    if size > MAX_FILE:
        raise MioError("invalidShape", f"shape {shape}")
    return size


def parse_blob(cursor, group):
    component = group.name(cursor.number("H"))
    compression, name_length = cursor.number("B"), cursor.number("B")
    if cursor.number("I") != 0:
        raise MioError("reservedNotZero", "reserved field of a blob")
    offset, length, content_length = cursor.size(), cursor.size(), cursor.size()
    digest = cursor.take(32)
    name = cursor.name(name_length)
    if compression > 1:
        raise MioError("unknownCompression", f"compression {compression}")
    if content_length > MAX_BLOB or length > MAX_BLOB:
        raise MioError("limitExceeded", f"blob {component}/{name} is too long")
    if length == 0 or (content_length != length if compression == 0 else content_length > 255 * length):
        raise MioError("wrongByteCount", f"blob {component}/{name}: {length} bytes cannot hold {content_length}")
    return {"component": component, "name": name, "compression": compression, "offset": offset, "length": length,
            "content_length": content_length, "digest": digest}


# Coverage

def check_coverage(records, directory_offset):
    end = HEADER_SIZE

    def place(offset, what):
        if offset == aligned(end):
            return
        if offset % ALIGNMENT != 0:
            raise MioError("misaligned", what)
        raise MioError("overlap" if offset < aligned(end) else "hole", what)

    for record in records:
        place(record["offset"], f"{record['component']}/{record['name']}")
        end = record["offset"] + record["length"]
    place(directory_offset, "directory")


# Encodings

def values(tensor, data):
    """The values of a tensor, row-major, as bytes: f32 for floats and panels, integers as they are."""
    encoding = tensor["encoding"]
    if encoding in PLAIN_ENCODINGS:
        return data
    rows, columns = tensor["shape"]
    panel_size = len(data) // -(-rows // 16)
    result = []
    for row in range(rows):
        panel = memoryview(data)[row // 16 * panel_size:(row // 16 + 1) * panel_size]
        result += [weight(encoding, panel, row % 16, k, columns) for k in range(columns)]
    return struct.pack(f"<{len(result)}f", *result)


def weight(encoding, panel, j, k, columns):
    if encoding == 16:
        return struct.unpack_from("<f", panel, (k * 16 + j) * 4)[0]
    if encoding == 17:
        return struct.unpack_from("<e", panel, (k * 16 + j) * 2)[0]
    groups = -(-columns // 32)
    g, i = k // 32, k % 32
    if encoding == 18:
        quantum = struct.unpack_from("b", panel, g * 512 + i // 4 * 64 + j * 4 + i % 4)[0]
        scales = groups * 512
    else:
        byte = panel[g * 256 + i % 16 // 4 * 64 + j * 4 + i % 4]
        quantum = Q4_LEVELS[byte & 15 if i < 16 else byte >> 4]
        scales = groups * 256
    return struct.unpack_from("<e", panel, scales + (g * 16 + j) * 2)[0] * quantum


# Blobs

def decompress(data, content_length):
    """Decodes an LZ4 block that must give exactly `content_length` bytes."""

    def refuse(what):
        raise MioError("corruptBlob", what)

    def length(position, value):
        if value == 15:
            while True:
                if position >= len(data):
                    refuse("a length is cut off")
                value += data[position]
                position += 1
                if data[position - 1] != 255:
                    break
        return position, value

    out = bytearray()
    position = 0
    while True:
        if position >= len(data):
            refuse("the block does not end with literals")
        token = data[position]
        position, count = length(position + 1, token >> 4)
        if count > len(data) - position or count > content_length - len(out):
            refuse("literals reach beyond an end")
        out += data[position:position + count]
        position += count
        if position == len(data):
            break
        if len(data) - position < 2:
            refuse("an offset is cut off")
        if len(out) > content_length - 12:
            refuse("a match starts in the last 12 bytes")
        offset = data[position] | data[position + 1] << 8
        position, count = length(position + 2, token & 15)
        count += 4
        if not 1 <= offset <= len(out):
            refuse("a match comes from before the start")
        if len(out) + count > content_length - 5:
            refuse("a match touches the last 5 bytes")
        for _ in range(count):
            out.append(out[-offset])
    if len(out) != content_length:
        refuse(f"{len(out)} bytes instead of {content_length}")
    return bytes(out)


# Files

class MioFile:
    def __init__(self, path):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise MioError("cannotOpen", str(error)) from None
        self.stream = open(descriptor, "rb")
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise MioError("notRegularFile", path)
        self.header = parse_header(self.stream.read(HEADER_SIZE), status.st_size)
        directory = self.read(self.header["offset"], self.header["size"])
        if sha256(directory) != self.header["digest"]:
            raise MioError("directoryHashMismatch", "the directory is damaged")
        self.components, self.tensors, self.blobs = parse_directory(directory, self.header["offset"])

    def read(self, offset, length):
        try:
            self.stream.seek(offset)
            data = self.stream.read(length)
        except OSError as error:
            raise MioError("readFailed", str(error)) from None
        if len(data) != length:
            raise MioError("truncated", "the file became shorter")
        return data

    def verify(self):
        for record in self.tensors + self.blobs:
            place = f"{record['component']}/{record['name']}"
            data = self.read(record["offset"], record["length"])
            if sha256(data) != record["digest"]:
                raise MioError("hashMismatch", place)
            if record.get("compression") == 1:
                decompress(data, record["content_length"])
            end = record["offset"] + record["length"]
            if any(self.read(end, aligned(end) - end)):
                raise MioError("nonZeroPadding", f"after {place}")

    def tensor_values(self, tensor):
        return values(tensor, self.read(tensor["offset"], tensor["length"]))

    def blob(self, record):
        data = self.read(record["offset"], record["length"])
        if sha256(data) != record["digest"]:
            raise MioError("hashMismatch", record["name"])
        return decompress(data, record["content_length"]) if record["compression"] == 1 else data

    def description(self):
        """What vectors/valid/*.json say of a file."""

        def text(value):
            if isinstance(value, bool):
                return "true" if value else "false"
            return struct.pack(">d", value).hex() if isinstance(value, float) else str(value)

        def entry(item):
            value = item["value"]
            return {"key": item["key"], "type": item["type"],
                    "values": [text(element) for element in (value if isinstance(value, list) else [value])]}

        return {
            "identity": self.header["identity"].hex(),
            "optional_features": f"{self.header['optional']:x}",
            "components": [{"name": component["name"], "required": component["required"],
                            "config": [entry(item) for item in component["config"]]} for component in self.components],
            "tensors": [{"component": tensor["component"], "name": tensor["name"],
                         "encoding": encoding_name(tensor["encoding"]), "shape": tensor["shape"],
                         "offset": tensor["offset"], "bytes": tensor["length"], "sha256": tensor["digest"].hex(),
                         "values_sha256": sha256(self.tensor_values(tensor)).hex()} for tensor in self.tensors],
            "blobs": [{"component": blob["component"], "name": blob["name"],
                       "compression": "lz4" if blob["compression"] else "none", "offset": blob["offset"],
                       "bytes": blob["length"], "sha256": blob["digest"].hex(),
                       "content_bytes": blob["content_length"],
                       "content_sha256": sha256(self.blob(blob)).hex()} for blob in self.blobs],
        }


def encoding_name(encoding):
    return PANEL_ENCODINGS.get(encoding) or PLAIN_ENCODINGS[encoding][0]


def describe(file):
    print(f"identity {file.header['identity'].hex()}, {file.header['length']} bytes")
    for component in file.components:
        print(f"component {component['name']}" + (" (required)" if component["required"] else ""))
        for item in component["config"]:
            print(f"  {item['key']} = {item['value']!r}")
        for tensor in file.tensors:
            if tensor["component"] == component["name"]:
                print(f"  tensor {tensor['name']} {encoding_name(tensor['encoding'])} {tensor['shape']}, "
                      f"{tensor['length']} bytes at {tensor['offset']}")
        for blob in file.blobs:
            if blob["component"] == component["name"]:
                print(f"  blob {blob['name']}, {blob['content_length']} bytes, {blob['length']} in the file at {blob['offset']}")


def main():
    parser = argparse.ArgumentParser(description="Reads and checks .mio files.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--verify", action="store_true", help="check every byte")
    parser.add_argument("--json", action="store_true", help="one line of JSON per file; implies --verify")
    options = parser.parse_args()
    accepted = True
    for path in options.files:
        result = {"file": path, "error": None, "stage": "open"}
        try:
            file = MioFile(path)
            result["stage"] = "verify"
            if options.verify or options.json:
                file.verify()
            if options.json:
                result["description"] = file.description()
            else:
                describe(file)
        except MioError as error:
            accepted = False
            result["error"] = error.code
            if not options.json:
                print(f"{path}: {error}", file=sys.stderr)
        if options.json:
            print(json.dumps(result))
    sys.exit(0 if accepted else 1)


if __name__ == "__main__":
    main()
