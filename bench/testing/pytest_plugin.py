"""pytest plugin of the conformance kit: `pytest --bench-check NAME` checks without a test file, and
checks' folders and processes are put away when pytest ends. Imports nothing of huebench before a
check is asked for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bench.testing.suite import Check


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--bench-check NAME` and `--bench-plugin PATH`, both repeatable."""
    group = parser.getgroup("huebench")
    say = "check a huebench plugin by the conformance kit"
    group.addoption("--bench-check", action="append", default=[], metavar="NAME", help=say)
    group.addoption(
        "--bench-plugin",
        action="append",
        default=[],
        metavar="PATH",
        help="load a local huebench plugin first",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Local plugins are there before test files are imported."""
    if paths := config.getoption("--bench-plugin"):
        from bench.plugins import loader, selection

        loader.use(
            loader.switches() | selection.Switches(tuple(selection.locate(path) for path in paths))
        )


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """The checks that the command line asks for come last."""
    if names := config.getoption("--bench-check"):
        from bench.testing import checks

        items.extend(
            _Named.from_parent(session, name=f"bench-check[{check.id}]", check=check)
            for check in checks(names)
        )


def pytest_unconfigure() -> None:
    """Put away what checks have left."""
    if suite := sys.modules.get("bench.testing.suite"):
        suite.close()


class _Named(pytest.Item):
    """A check that no test file has."""

    def __init__(self, *, check: Check, **given: Any) -> None:
        super().__init__(**given)
        self.check = check

    def runtest(self) -> None:
        self.check()

    def reportinfo(self) -> tuple[Path, None, str]:
        return Path(self.config.rootpath), None, self.name
