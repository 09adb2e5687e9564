"""One registry behind a real door and one browser for every test of the console."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial

import pytest
from playwright.sync_api import Browser, Page

from tests.console.browsing import chromium, sign_in, visiting
from tests.console.registry import Registry, serving

Visiting = Callable[..., AbstractContextManager[Page]]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """The registry, whose clock only goes on, by seconds."""
    with ExitStack() as running:
        yield running.enter_context(serving(Registry(tmp_path_factory.mktemp("console") / "world", running)))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium."""
    with chromium() as found:
        yield found


@pytest.fixture
def visit(browser: Browser) -> Visiting:
    """``with visit(scheme="dark") as page``: somebody who is nobody yet, and at the end has nothing to complain of."""
    return partial(visiting, browser)


@pytest.fixture
def auditor(registry: Registry, visit: Visiting) -> Iterator[Page]:
    """A page on which an auditor is signed in."""
    with visit() as page:
        sign_in(page, registry.url, registry.token("auditor"))
        yield page
