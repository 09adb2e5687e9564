"""The reference for reading deltas: zstandard's decompressor, and the standard library's where it has one (3.14)."""

import zstandard


def inflate(frame: bytes, old: bytes, length: int) -> bytes:
    """``keys.deltas.Inflate`` with the package zstandard."""
    dictionary = zstandard.ZstdCompressionDict(old, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if old else None
    press = zstandard.ZstdDecompressor(dict_data=dictionary)
    try:
        return press.decompress(frame, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def inflate_with_the_standard_library(frame: bytes, old: bytes, length: int) -> bytes:
    """The same with Python 3.14 alone."""
    from compression import zstd  # type: ignore[import-not-found]

    press = zstd.ZstdDecompressor(zstd_dict=zstd.ZstdDict(old, is_raw=True).as_prefix if old else None)
    try:
        new: bytes = press.decompress(frame, max_length=length)
    except zstd.ZstdError as error:
        raise ValueError(str(error)) from error
    if not press.eof or press.unused_data:
        raise ValueError("the frame does not end where the file does")
    return new
