"""Picture files written byte by byte from their specifications, without the library that reads them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

Rows = Sequence[Sequence[float]]


def png(rows: Sequence[bytes], width: int, bits: int, colour: int) -> bytes:
    """https://www.w3.org/TR/png/: signature, IHDR, one IDAT of unfiltered rows, IEND."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def grey16(path: Path, rows: Sequence[Sequence[int]]) -> Path:
    """16-bit grey, big-endian as PNG has it."""
    return put(path, png([struct.pack(f">{len(row)}H", *row) for row in rows], len(rows[0]), 16, 0))


def grey8(path: Path, rows: Sequence[Sequence[int]]) -> Path:
    return put(path, png([bytes(row) for row in rows], len(rows[0]), 8, 0))


def colour(path: Path, red: int = 51, height: int = 2, width: int = 2) -> Path:
    """8-bit RGB of one colour, red / 255."""
    return put(path, png([bytes([red, 102, 204]) * width] * height, width, 8, 2))


def pfm(path: Path, rows: Rows, little: bool = True) -> Path:
    """`rows` are from top to bottom; the file has the last one first. A negative scale means little-endian."""
    head = f"Pf\n{len(rows[0])} {len(rows)}\n{'-1.0' if little else '1.0'}\n".encode()
    kind = "<" if little else ">"
    return put(path, head + b"".join(struct.pack(f"{kind}{len(row)}f", *row) for row in reversed(rows)))
