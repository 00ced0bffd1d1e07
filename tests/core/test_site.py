"""The site of the docs is made without a warning, and has what only the site has: references,
equations, parameters."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import cli
from bench.plugins.loader import registry

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site."""
    folder = tmp_path_factory.mktemp("site")
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", folder / "doctrees"]
    done = subprocess.run(
        [*sphinx, DOCS, folder / "html"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def page(site, name):
    return (site / f"{name}.html").read_text(encoding="utf-8")


def test_every_page_is_there(site):
    pages = [path.relative_to(DOCS) for path in DOCS.rglob("*.md")]
    assert Path("methods", "mdn.md") in pages
    assert [path for path in pages if not (site / path.with_suffix(".html")).is_file()] == []


def test_the_reference_has_every_verb(site):
    text = page(site, "reference/cli")
    assert {"run", "gate"} <= cli.commands.keys()
    assert [verb for verb in cli.commands if f'id="bench-{verb}"' not in text] == []
    assert "limit-train" in text


def test_code_in_the_reference_is_spelt_as_it_is_typed(site):
    text = re.sub(r"<[^>]+>", "", page(site, "reference/api"))
    assert "def __init__(self, *, level: float = 0.0)" in text
    assert "load_weights(Path(folder), network" in text
    assert "\\_" not in text


@pytest.mark.parametrize(
    "name",
    [
        "bench.run",
        "bench.specs.MethodSpec",
        "bench.contracts.ColorDistribution",
        "bench.hookspecs.bench_register_methods",
        "bench.seeds.normal",
        "bench.extend.train",
        "bench.extend.stored_features",
        "bench.testing.check_method",
    ],
)
def test_the_reference_has_what_plugins_use(site, name):
    assert f'id="{name}"' in page(site, "reference/api")


def test_equations_need_no_script(site):
    text = page(site, "methods/mdn")
    assert text.count("<math") == (DOCS / "methods" / "mdn.md").read_text().count("$$") / 2
    assert not re.search(r"<script[^>]*(mathjax|://)", text.lower())


@pytest.mark.parametrize(
    ("where", "method"), [("mdn", "mdn"), ("mdn", "vae"), ("cvae", "cvae"), ("zhang", "zhang")]
)
def test_pages_of_methods_have_all_parameters(site, where, method):
    text = page(site, f"methods/{where}")
    parameters = registry().specs["methods"][method].parameters
    assert parameters
    assert [
        p.name for p in parameters if p.help.split("(")[0].split("'")[0].strip()[:20] not in text
    ] == []
