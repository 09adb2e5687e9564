"""JSON Schemas (2020-12) of the types that cross the door: the rules of ``keys/strict.py``, for those who read schemas.

What is asked may leave out a field that has a default and may add none. What is answered holds every field, and may
hold more in later versions.
"""

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

from keys import strict

Schema = dict[str, Any]
LINE: Final = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"
"""One clean line of text (``strict.line``, which refuses bidi controls too)."""
_KEYWORDS: Final = {"min_length": "minLength", "max_length": "maxLength", "minimum": "minimum"}
_NONE: Final[Schema] = {"type": "null"}


class Schemas:
    """Schemas under the names by which others refer to them."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}
        self._kinds: dict[str, type] = {}

    def answered(self, kind: Any) -> Schema:
        """The schema of ``strict.dump`` of a value of this type."""
        return self._schema(kind, self.answered, {"type": "string"}, self._answered_class)

    def asked(self, kind: Any) -> Schema:
        """The schema of what ``strict.load`` takes for this type."""
        return self._schema(kind, self.asked, {"type": "string", "pattern": LINE}, self._asked_class)

    def asked_without(self, kind: Any, said: Iterable[str], more: Mapping[str, Schema]) -> Schema:
        """What is asked of a class whose fields ``said`` come by the path, with ``more`` beside its fields."""
        found = self._object(kind, self.asked)
        defaults = {each.name: each.default for each in dataclasses.fields(kind)}
        kept = {name: schema for name, schema in found["properties"].items() if name not in set(said)}
        required = [*more, *(name for name in kept if defaults[name] is dataclasses.MISSING)]
        for name in kept.keys() - set(required):
            kept[name] = {**kept[name], "default": strict.dump(defaults[name])}
        return {**found, "properties": {**more, **kept}, "required": required, "additionalProperties": False}

    def _schema(
        self, kind: Any, inner: Callable[[Any], Schema], text: Schema, named: Callable[[Any], tuple[str, Schema]]
    ) -> Schema:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is typing.Annotated:
            return {**inner(arguments[0]), **_form(arguments[1])}
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [_NONE if each is types.NoneType else inner(each) for each in arguments]}
        if kind in (Any, object):
            return {}
        if kind is types.NoneType:
            return _NONE
        if origin is dict:
            return {"type": "object", "additionalProperties": inner(arguments[1])}
        if origin is tuple:
            return {"type": "array", "items": inner(arguments[0])}
        plain: dict[Any, Schema] = {
            str: text,
            int: {"type": "integer", "minimum": -strict.MAX_INTEGER, "maximum": strict.MAX_INTEGER},
            bool: {"type": "boolean"},
        }
        return dict(plain[kind]) if kind in plain else self._reference(kind, named)

    def _answered_class(self, kind: Any) -> tuple[str, Schema]:
        found = self._object(kind, self.answered)
        return kind.__name__, {**found, "required": list(found["properties"])}

    def _asked_class(self, kind: Any) -> tuple[str, Schema]:
        return f"{kind.__name__}Input", self.asked_without(kind, (), {})

    def _reference(self, kind: Any, named: Callable[[Any], tuple[str, Schema]]) -> Schema:
        name, schema = named(kind)
        assert self._kinds.setdefault(name, kind) == kind, f"two classes are called {name}"
        self.named[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}

    def _object(self, kind: Any, inner: Callable[[Any], Schema]) -> Schema:
        hints = typing.get_type_hints(kind, include_extras=True)
        properties = {field.name: inner(hints[field.name]) for field in dataclasses.fields(kind)}
        return {**_described(kind), "type": "object", "properties": properties}


def described(text: str) -> str:
    """A docstring as a description: Markdown has one back quote where ours have two."""
    return inspect.cleandoc(text).replace("``", "`")


def _described(kind: type) -> Schema:
    own = kind.__doc__ or ""
    return {} if own.startswith(f"{kind.__name__}(") else {"description": described(own)}  # made by dataclasses


def _form(form: strict.Form) -> Schema:
    found = {word: getattr(form, field) for field, word in _KEYWORDS.items() if getattr(form, field) is not None}
    return {**found, "pattern": f"^(?:{form.pattern})$"} if form.pattern is not None else found
