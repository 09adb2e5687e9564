"""The page of a name as HTML: what it says, and that no text in it can become markup."""

from html.parser import HTMLParser
from typing import Any

from keys import html

FILE: dict[str, Any] = {
    "filename": "foo-1.0.tar.gz",
    "hashes": {"sha256": "ab" * 32},
    "url": "../../x",
    "yanked": False,
}


class Read(HTMLParser):
    """The tags of a page, as a reader of HTML alone sees them."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def meta(self) -> dict[str | None, str | None]:
        return {each["name"]: each["content"] for each in self.all("meta") if "name" in each}


def read(*files: dict[str, Any], **more: Any) -> Read:
    return Read(html.render({"name": "foo", "files": files, "meta": {"api-version": "1.4"}, **more}))


def test_a_file_that_says_nothing_more_is_a_link_with_its_sha256() -> None:
    page = read(FILE)
    assert page.all("a") == [{"href": f"../../x#sha256={'ab' * 32}"}]
    assert page.meta == {"pypi:repository-version": "1.4"}
    assert "foo-1.0.tar.gz" in page.text


def test_everything_that_the_json_says_of_a_file_is_an_attribute() -> None:
    more = {
        "requires-python": ">=3.11,<4", "core-metadata": {"sha256": "cd" * 32}, "yanked": "does not start",
        "provenance": "https://x.test/provenance",
    }  # fmt: skip
    (link,) = read({**FILE, **more}).all("a")
    assert link == {
        "href": f"../../x#sha256={'ab' * 32}",
        "data-requires-python": ">=3.11,<4",
        "data-core-metadata": f"sha256={'cd' * 32}",
        "data-dist-info-metadata": f"sha256={'cd' * 32}",
        "data-provenance": "https://x.test/provenance",
        "data-yanked": "does not start",
    }


def test_a_yank_without_a_reason_is_an_empty_attribute() -> None:
    (link,) = read({**FILE, "yanked": True}).all("a")
    assert link["data-yanked"] == ""


def test_a_projects_status_and_its_reason_are_in_the_head() -> None:
    page = read(**{"project-status": {"status": "archived", "reason": "no time"}})
    assert page.meta == {
        "pypi:repository-version": "1.4",
        "pypi:project-status": "archived",
        "pypi:project-status-reason": "no time",
    }


def test_no_text_becomes_markup() -> None:
    evil = "\"'><script>&amp;</a>"
    page = read(
        {**FILE, "yanked": evil, "filename": evil, "requires-python": evil, "provenance": evil, "url": evil},
        **{"name": evil, "project-status": {"status": "archived", "reason": evil}},
    )
    assert [tag for tag, _ in page.tags] == ["html", "head", *["meta"] * 4, "title", "body", "h1", "a", "br"]
    (link,) = page.all("a")
    assert [link[key] for key in ("data-yanked", "data-requires-python", "data-provenance")] == [evil] * 3
    assert link["href"] == f"{evil}#sha256={'ab' * 32}"
    assert page.meta["pypi:project-status-reason"] == evil and page.text.count(evil) == 1
