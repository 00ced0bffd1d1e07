"""docs/reports.md names what there is."""

from pathlib import Path

import pytest

from bench.output import FORMATS
from bench.plugins.loader import registry

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()
REPORTS = registry().specs["reports"]


@pytest.mark.parametrize(
    "figure", sorted({name for spec in REPORTS.values() for name in spec.figures})
)
def test_every_figure_is_documented(figure):
    assert f"`{figure}`" in PAGE


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_documented(form):
    assert form in PAGE


@pytest.mark.parametrize(
    "name", ["ranking", "overview", "diversity-table", "paper-table-1", "paper-table-2"]
)
def test_main_tables_are_documented(name):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", sorted(name for name, spec in REPORTS.items() if spec.figures))
def test_every_figure_says_what_it_shows(name):
    assert min(map(len, REPORTS[name].figures.values())) > 15
