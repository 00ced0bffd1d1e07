"""What metrics say of themselves: complete, and the same in the documentation as in `bench show`."""

from pathlib import Path

import pytest

from bench.cli import main
from bench.plugins import describe
from bench.plugins.loader import registry

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
METRICS = registry().specs["metrics"]


def test_the_page_is_what_the_metrics_say():
    page = PAGE.read_text()
    assert describe.metrics_page(page, METRICS) == page, (
        "run `python -m bench.plugins.describe docs/metrics.md`"
    )


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_says_what_readers_need(name):
    spec = METRICS[name]
    for field in ("formula", "gaming", "checked", "citation", "variants"):
        assert getattr(spec, field), field
    assert spec.accepts


def test_show_prints_the_same(capsys):
    main(["show", "fair-energy-score"])
    shown = "\n".join(line.removeprefix("  ") for line in capsys.readouterr().out.splitlines())
    assert describe.metric(METRICS["fair-energy-score"]) in shown


def test_a_class_without_documentation_does_not_show_its_base_s(tmp_path, command):
    (tmp_path / "bare.py").write_text(
        "from bench.contracts import Method\nfrom bench.hookspecs import hookimpl\nfrom "
        "bench.specs import MethodSpec\n\n"
        "@hookimpl\ndef bench_register_methods():\n    yield MethodSpec(name='bare', summary='x', "
        "factory=':Bare')\n\n"
        "class Bare(Method):\n    pass\n"
    )
    shown = command("show", "--plugin", "bare.py", "bare")[1].splitlines()
    assert shown[-1].strip() == "none"
    assert (
        shown[-3].strip() == f"factory: {tmp_path / 'bare.py'}:Bare"
    )  # a file, and not the name that its module got here


def test_a_local_factory_that_cannot_be_imported_is_one_line(tmp_path, command):
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "__init__.py").write_text(
        "from bench.hookspecs import hookimpl\nfrom bench.specs import MethodSpec\n\n"
        "@hookimpl\ndef bench_register_methods():\n    yield MethodSpec(name='gone', summary='x', "
        "factory='.model:Gone')\n"
    )
    status, _, errors = command("show", "--plugin", "gone", "gone")
    assert status == 2
    assert "the code of gone" in errors
    assert "can't be imported" in errors
    assert len(errors.splitlines()) == 1
