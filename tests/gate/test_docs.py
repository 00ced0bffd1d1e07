"""docs/gate.md: what it shows can be read by what reads it, and it names everything that there is."""

import re
import tomllib
from pathlib import Path

import pytest

from bench.cli.gate import gate, write
from bench.errors import ExitCode
from bench.gate.margins import parse
from bench.gate.verdict import VERDICTS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "gate.md"
TEXT = DOCS.read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_margins_are_legal():
    (example,) = blocks("toml")
    found = parse(tomllib.loads(example), "docs")
    assert [rule.metric for rule in found.rules] == ["fair-*", "variance", "*"]
    assert found.rules[2].skip


def test_the_workflow_is_yaml_with_a_gate():
    yaml = pytest.importorskip("yaml")
    (example,) = blocks("yaml")
    steps = yaml.safe_load(example)["jobs"]["gate"]["steps"]
    assert [step["name"] for step in steps if "name" in step] == ["Run", "Gate"]
    assert any("bench gate runs/ci --baseline" in step.get("run", "") for step in steps)


def test_every_option_verdict_and_status_is_named():
    for command, known in ((gate, "--baseline"), (write, "--force")):
        options = [
            name for parameter in command.params for name in parameter.opts if name.startswith("--")
        ]
        assert known in options
        for option in options:
            if option not in (
                "--config",
                "--plugin",
                "--no-plugin",
                "--no-plugin-autoload",
                "--strict-plugins",
            ):
                assert option in TEXT, option
    assert [verdict for verdict in VERDICTS if verdict not in TEXT.lower()] == []
    assert len(VERDICTS) == 4
    rows = re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(
        set(ExitCode) - {ExitCode.CELLS_FAILED, ExitCode.INTERRUPTED}
    )


def test_the_fixture_s_example_is_python():
    examples = blocks("python")
    assert any("bench_gate" in example for example in examples)
    for example in examples:
        compile(example, "docs", "exec")
