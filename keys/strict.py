"""Strict reading: JSON bytes to plain values to frozen dataclasses, and back to the same values.

Everything that comes from outside (requests, signed pages, plans, key files) passes through here once.
After that its type is trusted. What ``load`` accepts, ``dump`` gives back unchanged.
"""

import dataclasses
import json
import types
import typing
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeVar

T = TypeVar("T")
Loader = Callable[[object, str], Any]

MAX_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON implementation keeps exactly (RFC 8259, section 6)."""
MAX_DEPTH: Final = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """What a value looks like besides its type: ``Annotated[str, Form(pattern=…)]``, for whoever describes the type.

    It stands beside the check, made of the same constants, and checks nothing itself. Lengths are in characters.
    """

    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    minimum: int | None = None


_PLAIN: Final = frozenset({str, int, bool, types.NoneType})


class Malformed(ValueError):
    """A value is not of the form it must have: ``where`` is its path, ``why`` what is wrong with it."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where or 'document'}: {why}")
        self.where = where
        self.why = why


def parse(data: bytes) -> object:
    """JSON text (RFC 8259) to plain values; refuses duplicate keys, floats, big integers and deep nesting."""
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
    except UnicodeDecodeError as error:
        raise Malformed("", f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Malformed("", f"not JSON: {error.msg} at byte {error.pos}") from None
    except RecursionError:
        raise Malformed("", f"nested deeper than {MAX_DEPTH}") from None
    _check_plain(value, "", MAX_DEPTH)
    return value


def load(kind: type[T], value: object, where: str = "") -> T:
    """A plain value as ``kind``: a frozen dataclass of str, int, bool, Literal, None, tuples and dataclasses.

    Fields with a default may be missing; unknown fields are refused. A dataclass's own ``__post_init__``
    may raise ValueError to refuse what its types alone allow.
    """
    return typing.cast(T, _loader(kind)(value, where))


def dump(value: object) -> Any:
    """A dataclass as plain JSON values, with every field present: the inverse of ``load``."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, tuple):
        return [item if type(item) in _PLAIN else dump(item) for item in value]
    assert dataclasses.is_dataclass(value), kind
    fields = ((name, getattr(value, name)) for name in _field_names(kind))
    return {name: item if type(item) in _PLAIN else dump(item) for name, item in fields}


def line(text: str) -> str:
    """``text`` if it is one clean line; Malformed if it holds control, format (bidi) or surrogate characters.

    Yank reasons are printed raw by pip and uv, so nothing that moves a cursor may reach them.
    """
    if text.isascii() and text.isprintable():
        return text
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            raise Malformed("", f"holds the character U+{ord(character):04X}, which is not allowed in a line of text")
    return text


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        try:
            line(key)  # errors name keys, and a lone surrogate in one cannot even be printed
        except Malformed as error:
            raise Malformed("", f"a key {error.why}") from None
        if key in found:
            raise Malformed(key, "appears twice in one object")
        found[key] = value
    return found


def _integer(text: str) -> int:
    if len(text) > len(str(-MAX_INTEGER)):  # int() itself refuses thousands of digits, with another error
        raise Malformed("", "holds a number larger than 2^53 - 1")
    return int(text)


def _no_float(text: str) -> NoReturn:
    raise Malformed("", f"{text} is not an integer")


def _check_plain(value: object, where: str, depth: int) -> None:
    if depth == 0:
        raise Malformed(where, f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_plain(item, f"{where}.{key}" if where else key, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, where, depth - 1)
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise Malformed(where, "is larger than 2^53 - 1")


_LOADERS: dict[object, Loader] = {}
_FIELD_NAMES: dict[type, tuple[str, ...]] = {}


def _loader(kind: Any) -> Loader:
    if kind not in _LOADERS:
        _LOADERS[kind] = _make_loader(kind)
    return _LOADERS[kind]


def _field_names(kind: type) -> tuple[str, ...]:
    if kind not in _FIELD_NAMES:
        _FIELD_NAMES[kind] = tuple(field.name for field in dataclasses.fields(kind))
    return _FIELD_NAMES[kind]


def _make_loader(kind: Any) -> Loader:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is str:
        return _load_text
    if kind is int or kind is bool:
        return lambda value, where: _expect(type(value) is kind, value, where, kind.__name__)
    if origin is typing.Literal:
        return lambda value, where: _expect(value in arguments, value, where, " or ".join(map(repr, arguments)))
    if origin in (typing.Union, types.UnionType):
        present = [argument for argument in arguments if argument is not types.NoneType]
        assert len(present) == 1 and len(arguments) == 2, f"only X | None is supported, not {kind}"
        inner = _loader(present[0])
        return lambda value, where: None if value is None else inner(value, where)
    if origin is tuple:
        assert len(arguments) == 2 and arguments[1] is Ellipsis, kind
        return _tuple_loader(_loader(arguments[0]))
    assert dataclasses.is_dataclass(kind), kind
    return _dataclass_loader(kind)


def _expect(holds: bool, value: object, where: str, wanted: str) -> object:  # noqa: FBT001 - a condition, not a flag
    if not holds:
        raise Malformed(where, f"must be {wanted}, not {value!r:.80}")
    return value


def _load_text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise Malformed(where, f"must be text, not {value!r:.80}")
    try:
        return line(value)
    except Malformed as error:
        raise Malformed(where, error.why) from None


def _tuple_loader(item: Loader) -> Loader:
    def load_tuple(value: object, where: str) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise Malformed(where, f"must be a list, not {value!r:.80}")
        return tuple(item(each, f"{where}[{position}]") for position, each in enumerate(value))

    return load_tuple


def _dataclass_loader(kind: Any) -> Loader:
    hints = typing.get_type_hints(kind)
    fields = {field.name: _loader(hints[field.name]) for field in dataclasses.fields(kind)}
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def load_fields(value: object, where: str) -> object:
        if not isinstance(value, Mapping):
            raise Malformed(where, f"must be an object, not {value!r:.80}")
        prefix = f"{where}." if where else ""
        for name in value:
            if name not in fields:
                raise Malformed(f"{prefix}{name}", f"is not known here; known are {', '.join(sorted(fields))}")
        if missing := sorted(required.difference(value)):
            raise Malformed(f"{prefix}{missing[0]}", "is missing")
        loaded = {name: fields[name](item, f"{prefix}{name}") for name, item in value.items()}
        try:
            return kind(**loaded)
        except Malformed as error:
            raise Malformed(f"{prefix}{error.where}".rstrip("."), error.why) from None
        except ValueError as error:
            raise Malformed(where, str(error)) from None

    return load_fields
