"""Reads a packed model file back: what the shipped demo model has learnt is where further training begins."""

import struct
from pathlib import Path

import numpy as np
import torch

SHIPPED = Path(__file__).parents[2] / "Sources/MioLiteDemo/Resources/demo.mio"
LEVELS = np.array([-64, -51, -40, -32, -24, -17, -11, -5, 0, 6, 12, 18, 25, 33, 42, 55], np.float32)
PANEL, GROUP = 16, 32
TAPS_OF_TRANSPOSED = 2         # times the stride


def read(path: Path = SHIPPED) -> dict[str, dict[str, np.ndarray]]:
    """All tensors as f32 by component and name (format-spec/SPEC.md); the file is one of ours and is trusted."""
    data = path.read_bytes()
    offset, length = struct.unpack_from("<QQ", data, 40)
    sections, at = {}, offset
    while at < offset + length:
        kind, count, size = struct.unpack_from("<4sIQ", data, at)
        sections[kind] = count, data[at + 16:at + 16 + size]
        at += 16 + size
    names = component_names(*sections[b"COMP"])
    tensors: dict[str, dict[str, np.ndarray]] = {name: {} for name in names}
    (count, records), at = sections[b"TENS"], 0
    for _ in range(count):
        component, encoding, rank, n, _, begin, size = struct.unpack_from("<HHBBHQQ", records, at)
        shape = struct.unpack_from(f"<{rank}I", records, at + 24)
        at += 24 + 4 * rank + 32
        tensors[names[component]][records[at:at + n].decode()] = decode(data[begin:begin + size], encoding, shape)
        at += n
    return tensors


def component_names(count: int, records: bytes) -> list[str]:
    """The names of the components; their settings are passed over."""
    names, at = [], 0
    for _ in range(count):
        n = records[at]
        names.append(records[at + 1:at + 1 + n].decode())
        entries, = struct.unpack_from("<H", records, at + 2 + n)
        at += 4 + n
        for _ in range(entries):
            at += 1 + records[at]
            kind, at = records[at], at + 1
            if kind in (1, 2):
                at += 8
            elif kind == 3:
                at += 1
            else:
                size, = struct.unpack_from("<I", records, at)
                at += 4
                if kind == 4:
                    at += size
                elif kind in (5, 6):
                    at += 8 * size
                else:
                    for _ in range(size):
                        at += 4 + struct.unpack_from("<I", records, at)[0]
    return names


def decode(data: bytes, encoding: int, shape: tuple[int, ...]) -> np.ndarray:
    if encoding == 1:
        return np.frombuffer(data, "<f4").reshape(shape).copy()
    if encoding not in (16, 17, 18, 19):
        raise ValueError(f"a tensor of encoding {encoding}, expected numbers")
    rows, columns = shape
    panels, groups = -(-rows // PANEL), -(-columns // GROUP)
    if encoding in (16, 17):
        values = np.frombuffer(data, "<f4" if encoding == 16 else "<f2").reshape(panels, columns, PANEL)
        return values.transpose(0, 2, 1).reshape(-1, columns)[:rows].astype(np.float32)
    body = 512 if encoding == 18 else 256
    raw = np.frombuffer(data, np.uint8).reshape(panels, groups * (body + 2 * PANEL))
    scales = raw[:, groups * body:].copy().view("<f2").reshape(panels, groups, PANEL).astype(np.float32)
    quanta = raw[:, :groups * body].reshape(panels, groups, body // 64, PANEL, 4)
    if encoding == 18:
        values = quanta.view(np.int8).astype(np.float32)
    else:
        values = LEVELS[np.concatenate([quanta & 15, quanta >> 4], 2)]
    values = values.transpose(0, 3, 1, 2, 4).reshape(panels, PANEL, groups, GROUP)
    values = values * scales.transpose(0, 2, 1)[..., None]
    return values.reshape(panels * PANEL, -1)[:rows, :columns]


def speech_tokenizer(tensors: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The speech component as a state dict of `speechtokenizer.SpeechTokenizer`, weight norm folded."""
    result = {}
    for name, value in tensors.items():
        if name.endswith("squared_norms"):
            continue
        if ".lstm.bias_" in name:
            head, suffix = name.split(".lstm.bias_")
            result[f"{head}.lstm.bias_ih_{suffix}"] = value
            result[f"{head}.lstm.bias_hh_{suffix}"] = np.zeros_like(value)
        elif name.endswith("convtr.convtr.weight"):
            outputs = len(tensors[name[:-6] + "bias"])
            taps = len(value) // outputs
            result[name] = value.reshape(taps, outputs, -1).transpose(2, 1, 0)
        elif name.endswith("conv.conv.weight"):
            inputs = convolution_inputs(name, tensors)
            result[name] = value.reshape(len(value), -1, inputs).transpose(0, 2, 1)
        else:
            result[name] = value
    return {name: torch.from_numpy(np.ascontiguousarray(value, np.float32)) for name, value in result.items()}


def convolution_inputs(name: str, tensors: dict[str, np.ndarray]) -> int:
    """Channels that a convolution reads: the matrix has taps times as many columns."""
    rows, columns = tensors[name].shape
    if ".block.3." in name or ".shortcut." in name:
        return columns                                       # one tap
    if ".block.1." in name:
        return 2 * rows                                      # a residual block halves
    if name.startswith("encoder.model.0."):
        return 1
    last = max(int(other.split(".")[2]) for other in tensors if other.startswith(name.split(".")[0] + ".model."))
    if name.split(".")[2] == str(last) or name.startswith("decoder.model.0."):
        return columns // 7
    return rows // 2                                         # a halving doubles the channels
