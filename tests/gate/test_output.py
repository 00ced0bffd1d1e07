"""What people and CI systems read: tables, Markdown, JSON, JUnit XML, annotations."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench.errors import BenchError
from bench.gate.ci import MOST, github, in_github, junit, step_summary
from bench.gate.margins import Margin, Quantity
from bench.gate.noninferiority import Evidence
from bench.gate.output import as_json, markdown, table
from bench.gate.verdict import Gate, Row
from bench.store.files import write_for_user
from bench.text import markdown as escape
from bench.text import one_line

NASTY = "a|b <script> & [x](y) `c` @you, 50%\n::error::\x07 :"


def row(verdict, method="mdn", why="", direction="down", number=0):
    evidence, p = (
        (None, float("nan")) if why else (Evidence(0.25, 0.125, 0.375, 0.001, 0.999), 0.004)
    )
    quantity = Quantity("demo", method, f"metric{number}", "v")
    return Row(
        quantity,
        verdict,
        why,
        direction,
        "u",
        0.25,
        0.5,
        Margin(0.01, "0.01"),
        evidence,
        p,
        40,
        (0,),
    )


def gate(*rows, **more):
    return Gate(Path("runs/new"), Path("b.json"), tuple(rows), **more)


ROWS = (
    row("ok"),
    row("inconclusive", why="5 photographs are too few"),
    row("regressed", "mdn[k=5]"),
    row("not comparable", why="kind iid in the baseline, modes in the run"),
)
MIXED = gate(*ROWS, warnings=("low",), notes=("new",))


def test_the_table_has_the_worst_first_and_says_everything():
    lines = table(MIXED).splitlines()
    assert [line.split()[1] for line in lines[1:5]] == ["mdn[k=5]", "mdn", "mdn", "mdn"]
    assert lines[1].split()[-8:] == [
        "0.25",
        "0.5",
        "+0.25",
        "[+0.125,",
        "+0.375]",
        "0.01",
        "0.004",
        "regressed",
    ]
    assert "not comparable: kind iid in the baseline, modes in the run" in lines[2]
    assert lines[5:7] == ["warning: low", "note: new"]
    assert lines[7:] == [
        "1 regressed, 1 not comparable, 1 inconclusive, 1 ok: run runs/new against b.json"
    ]


def test_metrics_without_a_direction_are_marked():
    assert "± +0.25 [+0.125, +0.375]" in table(gate(row("regressed", direction="none")))
    assert "± +0.25" in table(gate(row("regressed", direction="target")))


def test_markdown_is_a_table_with_every_row_and_folds_what_is_ok():
    html = MarkdownIt().enable("table").render(markdown(MIXED))
    assert html.count("<tr>") == 2 + 4
    assert html.index("not comparable: kind") < html.index("<details>") < html.index("✅")
    assert "<h3>❌ Gate: 1 regressed" in html
    assert html.index("regressed</td>") < html.index("inconclusive: 5 photographs")


def test_markdown_of_a_refusal_and_of_all_ok():
    assert markdown(gate(refusals=("k: 5 and 3",))).startswith(
        "### 🚫 Gate: run runs/new is not comparable"
    )
    assert markdown(gate(row("ok"))).startswith("### ✅ Gate: 1 ok")


@given(st.text())
def test_names_stay_one_cell_of_plain_text(name):
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(
        f"| x |\n|---|\n| {escape(f'a{name}')} |"
    )
    kinds = [t.type for t in tokens]
    assert kinds.count("td_open") == 1
    inside = next(t for t in reversed(tokens) if t.type == "inline")
    assert {child.type for child in inside.children} <= {"text", "text_special"}
    shown = "".join(child.content for child in inside.children)
    assert shown == one_line(f"a{name}")


def test_json_has_everything_and_no_nan():
    found = json.loads(json.dumps(as_json(MIXED), allow_nan=False))
    assert found["schema_version"] == 1
    assert found["exit_code"] == 1
    assert found["rows"][0] == {
        "dataset": "demo",
        "method": "mdn",
        "metric": "metric0",
        "variant": "v",
        "verdict": "ok",
        "why": "",
        "direction": "down",
        "unit": "u",
        "before": 0.25,
        "after": 0.5,
        "margin": 0.01,
        "p": 0.004,
        "worse_by": 0.25,
        "low": 0.125,
        "high": 0.375,
        "images": 40,
        "seeds": [0],
    }
    assert found["rows"][1]["worse_by"] is None


def test_junit_has_a_case_for_every_quantity():
    root = ElementTree.fromstring(junit(MIXED))
    assert root.tag == "testsuites"
    (suite,) = root
    assert (suite.tag, suite.attrib) == (
        "testsuite",
        {
            "name": "bench gate",
            "tests": "4",
            "failures": "1",
            "errors": "1",
            "skipped": "1",
            "time": "0",
        },
    )
    assert root.attrib == {
        "name": "bench gate",
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "time": "0",
    }
    assert [[child.tag for child in case] for case in suite] == [
        [],
        ["skipped"],
        ["failure"],
        ["error"],
    ]
    assert suite[2].attrib == {"classname": "demo.mdn[k=5]", "name": "metric0:v", "time": "0"}
    assert "worse by +0.25 [+0.125, +0.375], margin 0.01" in suite[2][0].attrib["message"]
    assert suite[2][0].attrib["type"] == "regressed"


def test_junit_of_a_strict_gate_and_of_a_refusal():
    (suite,) = ElementTree.fromstring(junit(gate(row("inconclusive"), strict=True)))
    assert suite.attrib["failures"] == "1"
    (suite,) = ElementTree.fromstring(junit(gate(refusals=("k: 5 and 3", "scale"))))
    assert [case[0].tag for case in suite] == ["error", "error"]
    assert suite.attrib["errors"] == suite.attrib["tests"] == "2"


@given(st.text(alphabet=st.characters()))
def test_junit_can_be_parsed_whatever_a_method_is_called(name):
    (suite,) = ElementTree.fromstring(junit(gate(row("regressed", method=name))))
    assert len(suite) == 1


def test_annotations_follow_the_verdicts_and_are_escaped():
    nasty = gate(row("regressed", NASTY), row("inconclusive"), warnings=("w",), notes=("n",))
    lines = list(github(nasty))
    assert [line.split(" ")[0] for line in lines] == [
        "::error",
        "::warning",
        "::warning",
        "::notice",
    ]
    assert lines[0].startswith("::error title=bench gate%3A regressed::metric0:v of a|b")
    assert "50%25%0A::error::" in lines[0]
    assert all("\n" not in line and "\r" not in line for line in lines)
    assert [line.split(" ")[0] for line in github(gate(row("inconclusive"), strict=True))] == [
        "::error"
    ]
    assert (
        next(iter(github(gate(refusals=("a\r\nb",)))))
        == "::error title=bench gate%3A not comparable::a%0D%0Ab"
    )


def test_github_shows_ten_annotations_so_the_tenth_counts_the_rest():
    lines = list(github(gate(*(row("regressed", number=i) for i in range(14)))))
    assert len(lines) == MOST + 1 == 10
    assert lines[-1].endswith("::and 5 more, in the log and the summary")


def test_github_is_known_by_its_variable():
    assert in_github({"GITHUB_ACTIONS": "true"})
    assert not in_github({"GITHUB_ACTIONS": "false"})
    assert not in_github({})


def test_the_step_summary_is_added_to(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("# another step\n")
    step_summary(MIXED, {"GITHUB_STEP_SUMMARY": str(path)})
    step_summary(MIXED, {})
    assert path.read_text() == f"# another step\n{markdown(MIXED)}\n"


def test_files_that_can_t_be_written_are_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match="can't be written"):
        write_for_user(tmp_path / "file" / "gate.md", "x")
    write_for_user(tmp_path / "new" / "gate.md", "x")
    assert (tmp_path / "new" / "gate.md").read_text() == "x"
