"""The reference of the API, from the description that the service gives of itself (``/v1/openapi.json``)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Part = Mapping[str, Any]


def page(document: Part) -> str:
    """Every route with what it takes and answers, then every type that these name."""
    named: Part = document["components"]["schemas"]
    lines = [line for route in _routes(document) for line in route]
    lines += ["## Types", ""]
    for name, schema in sorted(named.items()):
        if not name.endswith("Item"):  # what a batch takes is what the call itself takes, with verb and name
            lines += _type(name, schema)
    return "\n".join(lines)


def _routes(document: Part) -> Iterator[list[str]]:
    heading = ""
    for path, methods in sorted(document["paths"].items(), key=lambda each: (_family(each[0]), each[0])):
        if (family := _family(path)) != heading:
            heading = family
            yield [f"## {heading}", ""]
        for method, operation in methods.items():
            yield _route(f"{method.upper()} {path}", operation, document["components"]["responses"])


def _family(path: str) -> str:
    """Where a route stands: under the first word of its path, or with what is public."""
    return f"`/v1/{path.split('/')[2]}`" if path.startswith("/v1/") else "What is public"


def _route(title: str, operation: Part, shared: Part) -> list[str]:
    roles = operation.get("x-roles")
    who = f"Needs `{operation['x-permission']}`: {', '.join(roles)}." if roles else "Needs no token."
    lines = [f"### `{title}`", "", f"{operation['summary']}. {who}", ""]
    if body := operation.get("requestBody"):
        lines += [f"Body: {' or '.join(_contents(body))}.", ""]
    if parameters := [each for each in operation["parameters"] if each["in"] != "path"]:
        rows = [
            (f"`{each['name']}`", f"{each['in']}{', required' if each.get('required') else ''}", each["description"])
            for each in parameters
        ]
        lines += table(("parameter", "where", "says"), rows)
    answers = [(status, _answer(answer, shared)) for status, answer in operation["responses"].items()]
    return [*lines, *table(("status", "answers"), answers)]


def _answer(answer: Part, shared: Part) -> str:
    """What a status means: the codes of a problem, which are described once for many routes, or a type and a text."""
    if "$ref" in answer:
        return _codes(shared[answer["$ref"].rpartition("/")[2]])
    return f"{' or '.join(_contents(answer))} {answer['description']}".strip()


def _codes(problem: Part) -> str:
    codes = problem["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"]
    return ", ".join(f"`{code}`" for code in codes)


def _contents(message: Part) -> list[str]:
    """What a body can be: a type of ours, or a media type."""
    found = []
    for media, content in message.get("content", {}).items():
        found.append(kind(content["schema"]) if content.get("schema") else f"`{media}`")
    return found


def _type(name: str, schema: Part) -> list[str]:
    lines = [f"### {name}", ""]
    if text := schema.get("description"):
        lines += [text, ""]
    required = schema.get("required", ())
    rows = [
        (f"`{field}`", kind(of), "required" if field in required else _default(of), of.get("description", ""))
        for field, of in schema.get("properties", {}).items()
    ]
    return [*lines, *(table(("field", "is", "", "says"), rows) if rows else [kind(schema), ""])]


def _default(schema: Part) -> str:
    return f"default `{schema['default']}`" if "default" in schema and not isinstance(schema["default"], dict) else ""


def kind(schema: Part) -> str:
    """A schema in words: its type's name with a link, its values, or what it is a list of."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})" if not name.endswith("Item") else f"`{name}`"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(each) for each in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    given = schema.get("type", "anything")
    return " or ".join(given) if isinstance(given, list) else str(given)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown, and the empty line after it."""
    shown = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *shown)] + [""]
