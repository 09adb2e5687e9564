"""Strict reading: JSON bytes to plain values to frozen dataclasses, and back to the same values.

Everything that comes from outside (requests, signed pages, plans, key files) passes through here once.
After that its type is trusted. What ``load`` accepts, ``dump`` gives back unchanged.
"""

import dataclasses
import json
import operator
import types
import typing
import unicodedata
from collections.abc import Callable, Container, Mapping
from typing import Any, Final, NoReturn, TypeVar

T = TypeVar("T")
Loader = Callable[[object], Any]

MAX_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON implementation keeps exactly (RFC 8259, section 6)."""
MAX_DEPTH: Final = 16
_TOO_LARGE: Final = "is larger than 2^53 - 1"


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

    def within(self, outer: str) -> "Malformed":
        """The same of a value inside the one at ``outer``."""
        joint = "." if outer and self.where and not self.where.startswith("[") else ""
        return Malformed(f"{outer}{joint}{self.where}", self.why)


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
    _check_plain(value, MAX_DEPTH)
    return value


def load(kind: type[T], value: object, where: str = "") -> T:
    """A plain value as ``kind``: a frozen dataclass of str, int, bool, Literal, None, tuples and dataclasses. What is
    within it a dataclass already was loaded before, and stays; what is ``dict[str, Any]`` there stays as it was parsed.

    Fields with a default may be missing; unknown fields are refused. A dataclass's own ``__post_init__``
    may raise ValueError to refuse what its types alone allow.
    """
    try:
        return typing.cast(T, _loader(kind)(value))
    except Malformed as error:
        raise error.within(where) from None


def dump(value: object) -> Any:
    """A dataclass as plain JSON values, with every field present: the inverse of ``load``."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, tuple):
        return [item if type(item) in _PLAIN else dump(item) for item in value]
    shape = _shape(type(value))
    fields = zip(shape.names, shape.values(value), strict=True)
    return {name: item if type(item) in _PLAIN else dump(item) for name, item in fields}


def sparse(value: object, without: Container[str] = ()) -> Any:
    """As ``dump``, without the fields that have their default: the shortest form that ``load`` reads as the same value.
    ``without`` names more fields to leave out, of the value itself.

    A field that is added later, with a default, leaves the form of every older value as it is.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, tuple):
        return [item if type(item) in _PLAIN else sparse(item) for item in value]
    shape = _shape(type(value))
    return {
        name: item if type(item) in _PLAIN else sparse(item)
        for name, item, default in zip(shape.names, shape.values(value), shape.defaults, strict=True)
        if item is not default and item != default and name not in without
    }


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
    found = dict(pairs)
    if len(found) == len(pairs) and (keys := "".join(found)).isascii() and keys.isprintable():
        return found
    return _unique_or_why_not(pairs)


def _unique_or_why_not(pairs: list[tuple[str, object]]) -> dict[str, object]:
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


def _check_plain(value: object, depth: int) -> None:
    if depth == 0:
        raise Malformed("", f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        for key, item in value.items():
            if type(item) is str or item is None:
                continue
            try:
                _check_plain(item, depth - 1)
            except Malformed as error:
                raise error.within(key) from None
    elif isinstance(value, list):
        for item in value:
            _check_plain(item, depth - 1)
    elif isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise Malformed("", _TOO_LARGE)


_LOADERS: dict[object, Loader] = {}
_SHAPES: dict[type, "_Shape"] = {}


@dataclasses.dataclass(frozen=True, slots=True)
class _Shape:
    """How a dataclass is taken apart: its fields in order, their defaults (MISSING, which no value is, where there is
    none), and a reader of all their values at once.
    """

    names: tuple[str, ...]
    defaults: tuple[object, ...]
    values: Callable[[object], tuple[Any, ...]]


def _loader(kind: Any) -> Loader:
    if kind not in _LOADERS:
        _LOADERS[kind] = _make_loader(kind)
    return _LOADERS[kind]


def _shape(kind: type) -> _Shape:
    if kind not in _SHAPES:
        assert dataclasses.is_dataclass(kind), kind
        fields = dataclasses.fields(kind)
        names = tuple(field.name for field in fields)
        _SHAPES[kind] = _Shape(names, tuple(field.default for field in fields), _values(names))
    return _SHAPES[kind]


def _values(names: tuple[str, ...]) -> Callable[[object], tuple[Any, ...]]:
    if len(names) > 1:
        return operator.attrgetter(*names)  # of one name it gives the value alone
    return lambda value: tuple(getattr(value, name) for name in names)


def _make_loader(kind: Any) -> Loader:
    """One closure for each type, made once; errors learn where they are on their way out."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is str:
        return _load_text
    if kind is int:
        return _load_integer
    if kind is bool:
        return _load_truth
    if origin is typing.Literal:
        return _literal_loader(arguments)
    if _is_optional(kind):
        inner = _loader(_present(kind))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        assert len(arguments) == 2 and arguments[1] is Ellipsis, kind
        return _tuple_loader(_loader(arguments[0]))
    if origin is dict:
        return _load_object
    assert dataclasses.is_dataclass(kind), kind
    return _dataclass_loader(kind)


def _is_optional(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def _present(kind: Any) -> Any:
    """The type of what there is, where there is something."""
    if not _is_optional(kind):
        return kind
    arguments = typing.get_args(kind)
    present = [argument for argument in arguments if argument is not types.NoneType]
    assert len(present) == 1 and len(arguments) == 2, f"only X | None is supported, not {kind}"
    return present[0]


def _wrong(value: object, wanted: str) -> Malformed:
    return Malformed("", f"must be {wanted}, not {value!r:.80}")


def _load_text(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(value, "text")
    return value if value.isascii() and value.isprintable() else line(value)


def _load_integer(value: object) -> int:
    if type(value) is not int:
        raise _wrong(value, "int")
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise Malformed("", _TOO_LARGE)
    return value


def _load_truth(value: object) -> bool:
    if type(value) is not bool:
        raise _wrong(value, "bool")
    return value


def _load_object(value: object) -> dict[str, Any]:
    """Members that are not ours to know, as ``parse`` gave them."""
    if not isinstance(value, dict):
        raise _wrong(value, "an object")
    return value


def _literal_loader(allowed: tuple[object, ...]) -> Loader:
    def load_literal(value: object) -> object:
        if value not in allowed:
            raise _wrong(value, " or ".join(map(repr, allowed)))
        return value

    return load_literal


def _tuple_loader(item: Loader) -> Loader:
    def load_tuple(value: object) -> tuple[object, ...]:
        if not isinstance(value, list):
            raise _wrong(value, "a list")
        loaded: list[object] = []
        try:
            for each in value:
                loaded.append(item(each))  # how many there are says where an error is
        except Malformed as error:
            raise error.within(f"[{len(loaded)}]") from None
        return tuple(loaded)

    return load_tuple


def _dataclass_loader(kind: Any) -> Loader:
    hints, fields = typing.get_type_hints(kind), dataclasses.fields(kind)
    loaders = {field.name: _loader(_present(hints[field.name])) for field in fields}
    optional = {field.name for field in fields if _is_optional(hints[field.name])}
    required = frozenset(
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    )

    def load_fields(value: object) -> object:
        if type(value) is kind:
            return value
        if type(value) is not dict and not isinstance(value, Mapping):
            raise _wrong(value, "an object")
        loaded: dict[str, object] = {}
        name = ""
        try:
            for name, item in value.items():
                load = loaders[name]
                if load is _load_text and type(item) is str and item.isascii() and item.isprintable():
                    loaded[name] = item  # most are, and a call takes as long as all of this
                else:
                    loaded[name] = None if item is None and name in optional else load(item)
        except Malformed as error:
            raise error.within(name) from None
        except KeyError:
            raise Malformed(name, f"is not known here; known are {', '.join(sorted(loaders))}") from None
        if not required <= loaded.keys():
            raise Malformed(min(required - loaded.keys()), "is missing")
        try:
            return kind(**loaded)
        except Malformed:
            raise
        except ValueError as error:
            raise Malformed("", str(error)) from None

    return load_fields
