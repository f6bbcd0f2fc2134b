"""Lines of a text file, one at a time: decoded (UTF-8 by default), of bounded length, and with a complete last line."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bbflow.errors import InputError, Problem

LONGEST_LINE = 1_000_000
"""Bytes; a longer line indicates a broken file or one of another kind, not a row of a table."""


def lines(path: Path, encoding: str = "utf-8", whole: bool = True) -> Iterator[tuple[int, str]]:
    """Yield line number (from 1) and line, without its end; `.gz` files are decompressed.

    Args:
        path: A file.
        encoding: Encoding of the text; a byte order mark is dropped.
        whole: Whether a last line without a line feed is an error: the file, and its last value, may be cut off.

    Raises:
        InputError: The file cannot be opened or decoded, a line is too long, or the last one is cut off.
    """
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise InputError(Problem(f"there is no encoding '{encoding}'", str(path), "utf-8, latin-1, cp1252, ...")) from None
    number = 0
    try:
        with _open(path) as file:
            while raw := file.readline(LONGEST_LINE + 1):
                number += 1
                if len(raw) > LONGEST_LINE:
                    raise InputError(Problem(f"the line is longer than {LONGEST_LINE:,} bytes", f"{path}:{number}", "is this a text file?"))
                if number == 1:
                    raw = _without_mark(raw, path)
                if whole and not raw.endswith(b"\n"):
                    hint = "the file may be cut off; if it is whole, end it with a line feed"
                    raise InputError(Problem("the last line does not end", f"{path}:{number}", hint))
                yield number, raw.decode(encoding).rstrip("\r\n")
    except UnicodeDecodeError as error:
        what = f"not {encoding.upper()}: byte {error.object[error.start]:#04x} at column {error.start + 1}"
        hint = "save the file as UTF-8, or name its encoding in a mapping (encoding: latin-1)"
        raise InputError(Problem(what, f"{path}:{number}", hint)) from None
    except EOFError:
        raise InputError(Problem("the compressed file is cut off", f"{path}:{number}")) from None
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror or error}", str(path))) from None


def _open(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def _without_mark(raw: bytes, path: Path) -> bytes:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw:
        raise InputError(Problem("not UTF-8: this is UTF-16 or no text at all", f"{path}:1", "save the file as UTF-8"))
    return raw.removeprefix(codecs.BOM_UTF8)
