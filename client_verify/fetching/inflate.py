"""Unpacking the frame of a delta (docs/FORMAT.md) with the first zstd that this Python has, if it has one.

The standard library has it since 3.14; ``backports.zstd`` is the same code for older ones, the extra ``fast``. Where a
registry's service is installed too, there is ``zstandard``. Without one a client downloads everything whole.
"""

from importlib import import_module
from typing import Any, Final

from keys.deltas import Inflate

LIBRARIES: Final = ("compression.zstd", "backports.zstd", "zstandard")


def available() -> Inflate | None:
    """How this machine inflates; None if no library is there."""
    return next(filter(None, map(by, LIBRARIES)), None)


def by(library: str) -> Inflate | None:
    """How a library inflates; None if it is not installed."""
    try:
        zstd = import_module(library)
    except ImportError:
        return None
    return _zstandard(zstd) if library == "zstandard" else _standard(zstd)


def _standard(zstd: Any) -> Inflate:
    def inflate(frame: bytes, old: bytes, length: int) -> bytes:
        try:
            press = zstd.ZstdDecompressor(zstd_dict=zstd.ZstdDict(old, is_raw=True).as_prefix if old else None)
            new: bytes = press.decompress(frame, max_length=length)
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from error
        if not press.eof or press.unused_data:
            raise ValueError("the frame does not end where the file does")
        return new

    return inflate


def _zstandard(zstd: Any) -> Inflate:
    def inflate(frame: bytes, old: bytes, length: int) -> bytes:
        dictionary = zstd.ZstdCompressionDict(old, dict_type=zstd.DICT_TYPE_RAWCONTENT) if old else None
        try:
            new: bytes = zstd.ZstdDecompressor(dict_data=dictionary).decompress(
                frame, max_output_size=length, allow_extra_data=False
            )
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from error
        return new

    return inflate
