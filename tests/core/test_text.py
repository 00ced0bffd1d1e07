"""Hostile text at every sink: what is shown is never obeyed; and nobody writes to a terminal, a CSV
file or a page but through `bench.text`."""

import ast
import csv as standard
import doctest
import io
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench import text
from bench.errors import reason, trace
from bench.scores import long_table
from bench.scores.column_file import FileScores
from bench.scores.columns import ScoreColumn
from bench.store.files import write_json, write_text
from bench.text import (
    aligned,
    csv,
    csv_of_data,
    html,
    latex,
    markdown,
    markdown_code,
    one_line,
    read_csv,
    say,
    say_json,
    storable,
    visible,
)

ANYTHING = st.text(st.characters(), max_size=30)
"""Surrogates, too."""
COMMANDS = [
    "\x1b]0;title\x07",
    "\x1b[2J",
    "\x9b31m",
    "\x7f",
    "\r",
    "\x08",
    "\u202e",
    "\u2066",
    "\u200e",
    "\u061c",
    "\u2028",
    "\u2029",
    "\U000e0041",
    "\udce9",
    "\ud83d",
    "\ufeff",
    "\u200b",
    "\x00",
    "\x85",
]
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def test_examples_in_docstrings_hold():
    assert doctest.testmod(text).failed == 0


# The terminal


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_terminal_obeys_or_hides_is_spelt_out(command, capsys):
    say(f"a{command}b")
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert shown.startswith("a\\")
    assert shown.endswith("b\n")
    assert not FORBIDDEN.search(shown)


@given(ANYTHING)
def test_nothing_shown_is_a_command_and_what_is_shown_once_stays(anything):
    once = visible(anything)
    assert not FORBIDDEN.search(once)
    assert visible(once) == once
    assert "\n" not in one_line(anything)
    once.encode()


def test_letters_of_every_script_stay_and_lines_stay_lines(capsys):
    kept = "é e\u0301 日本 ไทย می\u200cخواهم 👩\u200d🔬 \t\u00a0– “x”"
    say(kept, "second", "thi\nrd")
    assert capsys.readouterr().out == f"{kept}\nsecond\nthi\\nrd\n"
    say("x", err=True)
    assert capsys.readouterr() == ("", "x\n")


def test_json_on_the_terminal_is_json_of_the_same_value(capsys):
    value = {"".join(COMMANDS): ["\x7f\n", 1.5, None, "é"]}
    say_json(value)
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert "\x7f" not in shown
    assert json.loads(shown) == value


def test_a_table_on_the_terminal_has_a_line_a_row():
    lines = aligned([{"a\n": "x\ny", "b": 1}, {"a\n": "\x1b[1m", "b": 2}]).split("\n")
    assert lines == ["a        b", "x y      1", "\\x1b[1m  2"]


def test_reasons_and_tracebacks_hold_no_command_and_can_be_stored():
    with pytest.raises(ValueError, match=r"^bad ") as caught:
        raise ValueError("bad \udcff \x1b[2J \u202e")
    assert reason(caught.value) == "ValueError: bad \\xff \\x1b[2J \\u202e"
    assert "bad \\xff \\x1b[2J \\u202e" in trace(caught.value)
    assert trace(caught.value).count("\n") > 2


def test_a_long_reason_is_cut_and_one_that_just_fits_is_not():
    fits = "x" * (400 - len("ValueError: "))
    assert reason(ValueError(fits)) == f"ValueError: {fits}"
    assert reason(ValueError(f"{fits}y")) == f"ValueError: {fits[:-1]}…"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8"])
def test_a_stream_of_any_encoding_takes_any_text(encoding):
    program = (
        "from bench.text import prepare_streams, say; prepare_streams(); say('Δ→\\x1b\\udce9', "
        "err=False); "
        "print('Δ'); raise ValueError('→\\x9b\\u202e')"
    )
    environment = {"PYTHONIOENCODING": encoding, "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env=environment, check=False
    )
    assert done.returncode == 1
    shown, said = done.stdout.decode(encoding), done.stderr.decode(encoding)
    delta, arrow = ("Δ", "→") if encoding == "utf-8" else ("\\u0394", "\\u2192")
    assert shown == f"{delta}{arrow}\\x1b\\xe9\n{delta}\n"
    assert said.endswith(f"ValueError: {arrow}\\x9b\\u202e\n")
    assert said.startswith("Traceback")


# Files


def test_text_that_is_no_utf_8_is_written_spelt_out(tmp_path):
    write_text(tmp_path / "a.txt", "bad \udcff\n")
    assert (tmp_path / "a.txt").read_text("utf-8") == "bad \\xff\n"
    write_json(tmp_path / "a.json", {"folder": "bad \udcff"})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {
        "folder": "bad \udcff"
    }  # a path stays that path


@given(ANYTHING)
def test_everything_can_be_stored_and_what_is_text_stays(anything):
    storable(anything).encode()
    assert (storable(anything) == anything) == (not re.search("[\ud800-\udfff]", anything))


def test_a_table_of_scores_takes_any_text(tmp_path):
    odd = ScoreColumn(
        "run\udce9",
        "c",
        "set\udce9",
        "m\udce9",
        "control",
        "{}",
        0,
        status="failed",
        reason="bad \udcff \ud83d",
    )
    with long_table.writing(tmp_path / "scores.parquet") as table:
        table.lose(odd)
    frame = long_table.read(tmp_path / "scores.parquet")
    (told,) = FileScores(tmp_path / "scores.parquet", {storable("set\udce9"): ()}).columns
    assert told.reason == frame["reason"][0] == "bad \\xff \\ud83d"
    assert told.dataset == frame["dataset"][0] == "set\\xe9"
    whole = long_table.frame([{"run": "run\udce9", "dataset": "set\udce9"}], long_table.SET_COLUMNS)
    assert whole["dataset"].tolist() == ["set\\xe9"]
    whole.to_parquet(tmp_path / "sets.parquet")


# CSV


FORMULAS = [
    "=1+1",
    "+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "\u00a0=1",
    "＝1",
    '=HYPERLINK("http://x","y")',
    "'=1",
    "''-1",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_spreadsheet_computes_no_text(formula, tmp_path):
    table = pd.DataFrame({"image": [formula, "plain"], formula: [-0.5, float("nan")]})
    rows = list(standard.reader(io.StringIO(csv(table), newline="")))
    assert rows[0] == ["image", f"'{formula}"]
    assert rows[1] == [f"'{formula}", "-0.5"]
    assert rows[2] == ["plain", ""]
    write_text(tmp_path / "t.csv", csv(table))
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), table)


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
        min_size=1,
        max_size=5,
    )
)
def test_the_reader_gives_back_every_text(tmp_path_factory, texts):
    path = tmp_path_factory.getbasetemp() / "round.csv"
    write_text(path, csv(pd.DataFrame({"image": texts, "value": range(len(texts))})))
    assert read_csv(path, ["image"])["image"].tolist() == texts


def test_words_that_are_numbers_or_missing_stay_apart(tmp_path):
    table = pd.DataFrame({"dataset": ["007", "nan", "NA"], "value": [1, 2, 3]})
    write_text(tmp_path / "t.csv", csv(table))
    assert read_csv(tmp_path / "t.csv", ["dataset"])["dataset"].tolist() == ["007", "nan", "NA"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_data_for_programs_is_the_very_text(texts):
    written = csv_of_data(("id", "file"), [{"id": t, "file": "x"} for t in texts])
    assert [row["id"] for row in standard.DictReader(io.StringIO(written, newline=""))] == texts


# Pages


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](http://evil/x.png)",
    "a|b",
    "`code`",
    "``",
    "a\nb",
    "# h",
    "- x",
    "1. x",
    "> q",
    "&lt;b&gt;",
    "<!-- x",
    "[a]: http://evil",
    "$x^2$",
    "\\|",
    "\\",
    "*a* _b_",
    "http://evil",
    "<http://evil>",
    "@you",
    *COMMANDS,
]


def kinds(source):
    """What Markdown's reader sees, HTML allowed."""
    reader = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    tokens = reader.parse(source)
    return [child.type for token in tokens for child in (token.children or [token])], reader.render(
        source
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_markdown_is_text_in_a_paragraph_a_cell_and_code(hostile):
    for source in (
        f"x {markdown(hostile)} y",
        f"| a |\n|---|\n| {markdown(hostile)} |",
        f"- {markdown_code(hostile)}: x",
    ):
        found, rendered = kinds(source)
        assert not {
            "html_inline",
            "html_block",
            "link_open",
            "image",
            "em_open",
            "heading_open",
        } & set(found)
        assert rendered.count("<td>") == ("|---|" in source)
        assert not FORBIDDEN.search(rendered)


@given(st.text(st.characters(), min_size=1, max_size=20))
def test_code_of_markdown_is_one_piece_of_code(anything):
    reader = (
        MarkdownIt("commonmark").parseInline(f"Command: {markdown_code(anything)}, x")[0].children
    )
    assert [child.type for child in reader] == ["text", "code_inline", "text"]
    assert reader[1].content.strip() == (one_line(anything)).strip()


@given(ANYTHING)
def test_html_and_latex_are_text(anything):
    assert not re.search("[<>\"']", html(anything))
    assert not FORBIDDEN.search(html(anything))
    assert latex(anything).isprintable()


@given(ANYTHING)
def test_a_string_of_toml_is_the_same_text(anything):
    written = text.toml(anything)
    assert visible(written) == written
    assert tomllib.loads(f"a = {written}") == {"a": storable(anything)}


# Who writes


ROOT = Path(__file__).parent.parent.parent
SHELVES = ("bench", "methods", "metrics", "datasets", "reports")
PIPES = {
    ("bench/executors/worker.py", "print"),
    ("bench/executors/processes.py", "print"),
    ("bench/testing/child.py", "print"),
    ("bench/testing/children.py", "print"),
}
"""Lines between processes."""


def called(node):
    """The dotted name of what is called."""
    parts, place = [], node.func
    while isinstance(place, ast.Attribute):
        parts.append(place.attr)
        place = place.value
    return ".".join(reversed([*parts, place.id if isinstance(place, ast.Name) else "?"]))


def writers(source, name):
    """Calls that write past `bench.text`, and files that are read or written as text of no stated
    encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        call, last = called(node), called(node).rpartition(".")[2]
        given = {keyword.arg for keyword in node.keywords}
        words = [
            each.value
            for each in ast.walk(node)
            if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        if call == "print" and (name, "print") not in PIPES:
            yield node.lineno, "print: use bench.text.say"
        if re.search(
            r"^click\.(s?echo|echo_via_pager|confirm|prompt)$|^traceback\.print|std(out|err)\.write(lines)?$",
            call,
        ):
            yield node.lineno, f"{call}: use bench.text.say"
        if (
            last in ("print", "log")
            and "console" in call.lower()
            and name != "bench/engine/progress.py"
        ):
            yield node.lineno, f"{call}: use a bench.contracts.Progress"
        if (
            last == "DictWriter"
            or call == "csv.writer"
            or (last in ("to_csv", "to_html", "to_latex") and last != call)
        ):
            yield node.lineno, f"{call}: use bench.text.csv"
        if call in ("html.escape", "escape_html", "xml.sax.saxutils.escape"):
            yield node.lineno, f"{call}: use bench.text.html"
        if last == "read_text" and not (node.args or "encoding" in given):
            yield node.lineno, "read_text: say which encoding"
        if last == "write_text" and isinstance(node.func, ast.Attribute):
            yield node.lineno, "Path.write_text: use bench.store.files.write_text"
        opens = last == "open" and call.partition(".")[0] not in (
            "Image",
            "packed",
            "lmdb",
            "tarfile",
            "gzip",
            "os",
        )
        if (
            opens
            and "encoding" not in given
            and not any(re.fullmatch("[rwxa+]*b[rwxa+]*", word) for word in words)
        ):
            yield node.lineno, f"{call}: text of what encoding?"


ALLOWED = {"bench/text.py"}


def test_everybody_writes_through_one_module():
    found = [
        f"{name}:{line}: {what}"
        for shelf in SHELVES
        for path in sorted((ROOT / shelf).rglob("*.py"))
        if "templates" not in path.parts
        and (name := path.relative_to(ROOT).as_posix()) not in ALLOWED
        for line, what in writers(path.read_text("utf-8"), name)
    ]
    assert found == []


PAST = [
    "print(x)",
    "print(x, file=sys.stderr)",
    "click.echo(x)",
    "sys.stdout.write(x)",
    "self.stderr.write(x)",
    "traceback.print_exc()",
    "frame.to_csv(path)",
    "csv.writer(s)",
    "DictWriter(s, c)",
    "path.read_text()",
    "path.write_text(x)",
    "open(x)",
    "path.open('w')",
    "html.escape(x)",
    "self.console.print(x)",
    "table.to_html()",
]


@pytest.mark.parametrize("source", PAST)
def test_the_search_finds_them(source):
    assert list(writers(source, "bench/x.py"))


def test_a_mistake_is_one_line_whatever_it_holds(command, tmp_path):
    for hostile in ("no\nsuch\x1b[2J\u202e", "no\udce9"):
        status, out, err = command("report", hostile)
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        assert not FORBIDDEN.search(err)
        status, _, err = command("run", "--k", hostile)
        assert status == 2
        assert not FORBIDDEN.search(err)


def test_a_mistake_repeats_no_word_of_five_thousand_characters(command):
    status, _, err = command("run", "-m", "9" * 5000, "-d", "demo", "--dry-run")
    assert status == 2
    assert "… (5,0" in err
    assert len(err) < 1000
