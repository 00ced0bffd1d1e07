"""A run whose every name is hostile, through the command: what reaches the terminal, pages, tables
and spreadsheets is text."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from PIL import Image

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\r\u202e\u2066"
FOLDER = f"=cmd|'<img src=x onerror=alert(1)>`$a$[x](javascript:alert(2)){ESCAPES}\udce9"
PHOTOGRAPH = f"+1<script>alert(3)<script>|`{ESCAPES}\n\udce9"
NOTE = f"<img src=y onerror=alert(4)>|`$b$ [/x] [y](javascript:alert(5)){ESCAPES}\n| x |\udcff"
PLUGIN = f"""
import torch
from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, MetricSpec, Parameter
from bench.contracts import ColorDistribution, Method, Metric, SampleSet, Score, SetScore

NOTE = {NOTE!r}


@hookimpl
def bench_register_methods():
    text = (Parameter("text", "str", "-", NOTE),)
    for name in ("says", "fails"):
        yield MethodSpec(name=name, summary=NOTE, factory=f":{{name.title()}}", present_kind="point", parameters=text)


@hookimpl
def bench_register_metrics():
    yield MetricSpec(name="odd", summary=NOTE, factory=":Odd", unit=NOTE, direction="down", accepts=frozenset(["point", "iid"]),
                     headline=NOTE, variants={{NOTE: NOTE}}, formula=NOTE, gaming=NOTE, checked=NOTE)


class Odd(Metric):
    def score(self, samples, truth, context):
        values = samples.ab.abs().mean((1, 2, 3, 4)).numpy()
        return [Score(NOTE, "all", values), Score(NOTE, NOTE, values)]

    def finish(self):
        return [SetScore(NOTE + "set", 1.0)]


class Fields(ColorDistribution):
    seeds = ()

    def __init__(self, count):
        self.count = count

    def present(self, k):
        return SampleSet(torch.zeros(self.count, 1, 2, 64, 64), "point")


class Says(Method):
    def __init__(self, *, text):
        pass

    def fit(self, train, context):
        context.notes[NOTE] = NOTE
        context.notes["caution"] = NOTE

    def save(self, folder):
        pass

    def load(self, folder, context):
        pass

    def predict(self, grey, seeds):
        return Fields(len(grey))


class Fails(Says):
    def fit(self, train, context):
        raise ValueError(NOTE)
"""
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
LABEL = "says[text=<b>|`x`\x1b[2J]\u202e]"


def bench(folder, *arguments, code=0):
    environment = os.environ | {"BENCH_STORE": str(folder / "store"), "BENCH_EXECUTOR": "process"}
    command = [sys.executable, "-P", "-m", "bench.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, env=environment, check=False)
    assert done.returncode == code, done.stderr[-3000:]
    out, err = done.stdout.decode(), done.stderr.decode()  # UTF-8 throughout
    assert not RAW.search(out), out
    assert not RAW.search(err), err
    return out, err


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "hostile.py").write_text(PLUGIN, "utf-8")
    photographs = folder / FOLDER
    photographs.mkdir()
    for i in range(150):
        small = Image.fromarray(
            np.random.default_rng(i).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        )
        with (photographs / f"{PHOTOGRAPH}{i:03}.png").open("wb") as stream:
            small.resize((40, 40), Image.Resampling.BICUBIC).save(stream, "PNG")
    (photographs / f"{PHOTOGRAPH}bad.png").write_text("no image")
    _, err = bench(
        folder,
        "run",
        "--plugin",
        "hostile.py",
        "-m",
        LABEL,
        "-m",
        "fails,marginal,grey,vae[batch=8,loss=l2,steps=2]",
        "-d",
        f"./{FOLDER}",
        "--preset",
        "tiny",
        "--out",
        f"run{FOLDER}",
        code=6,
    )
    assert "ValueError: <img src=y onerror=alert(4)>" in err
    return folder / f"run{FOLDER}"


def manifest(run):
    return json.loads((run / "manifest.json").read_text("utf-8"))


def texts(run, *suffixes):
    found = [path for path in run.rglob("*") if path.suffix in suffixes]
    assert found
    return found


def test_a_message_that_is_no_text_is_a_row_like_any_other(run):
    cells = {cell["name"]: cell for cell in manifest(run)["cells"]}
    assert cells["fails"]["status"] == "failed"
    assert cells["fails"]["reason"].startswith("ValueError: <img")
    assert cells["fails"]["reason"].endswith("\\xff")
    assert cells["says"]["status"] == "done"
    failures = (run / "failures.txt").read_bytes().decode()
    assert not RAW.search(failures)
    with (run / "scores.parquet").open("rb") as stream:
        scores = pd.read_parquet(stream)
    assert (
        set(scores[scores["status"] == "done"]["dataset"])
        == set(manifest(run)["datasets"])
        != set()
    )


def test_markdown_holds_no_element_and_no_link_of_others(run):
    images, tables = [], []
    for path in texts(run, ".md"):
        source = path.read_text("utf-8")
        assert not RAW.search(source), path
        reader = MarkdownIt("gfm-like", {"html": True, "linkify": False})
        tokens = [child for token in reader.parse(source) for child in (token.children or [token])]
        assert not {"html_inline", "html_block", "link_open"} & {token.type for token in tokens}, (
            path
        )
        images += [str(token.attrs["src"]) for token in tokens if token.type == "image"]
        for table in re.findall("<table>.*?</table>", reader.render(source), re.DOTALL):
            rows = [
                len(re.findall("<t[hd]", row))
                for row in re.findall("<tr>.*?</tr>", table, re.DOTALL)
            ]
            assert len(set(rows)) == 1, path
            tables.append(path)
    assert {source.partition("/")[0] for source in images} == {"figures"}
    assert len(set(tables)) > 3


def test_a_spreadsheet_computes_nothing_and_the_names_come_back(run):
    from bench.text import read_csv

    for path in texts(run, ".csv"):
        with path.open(newline="", encoding="utf-8") as stream:
            cells = [cell for row in csv.reader(stream, strict=True) for cell in row]
        wrong = [
            cell
            for cell in cells
            if re.match("[=+\\-@\t\r\n]", cell) and not re.fullmatch(r"-?[\d.e+-]+|-?inf", cell)
        ]
        assert wrong == [], path
        table = read_csv(path)
        if "dataset" in table:
            assert set(table["dataset"].dropna()) == set(manifest(run)["datasets"]), path


def test_latex_and_figures_hold_no_command(run):
    for path in texts(run, ".tex"):
        source = path.read_text("utf-8")
        assert not RAW.search(source)
        assert "<img" not in source
    for path in texts(run, ".svg"):
        names = {
            element.tag.rpartition("}")[2] for element in ElementTree.parse(path).getroot().iter()
        }
        assert not names & {"script", "img", "a", "foreignObject"}


def test_other_verbs_show_the_same_names(run):
    folder = run.parent
    for verb in (
        ["report", run.name, "--figures", "none"],
        ["list", "--plugin", "hostile.py"],
        ["show", "says", "--plugin", "hostile.py"],
        ["show", "odd", "--plugin", "hostile.py"],
        ["plugins", "doctor", "--plugin", "hostile.py"],
        ["store", "ls"],
        ["compare", run.name, run.name, "--out", "compared", "--format", "md,html,csv,latex"],
        ["baseline", "write", run.name, f"b{ESCAPES}.json", "--force"],
        ["data", "split", f"./{FOLDER}", "--out", "s.json"],
        ["export-inputs", f"./{FOLDER}", f"inputs{ESCAPES}"],
    ):
        bench(folder, *verb)
    bench(
        folder,
        "gate",
        run.name,
        "--baseline",
        f"b{ESCAPES}.json",
        "--markdown",
        "gate.md",
        "--junit",
        "gate.xml",
        "--github",
    )
    ElementTree.parse(folder / "gate.xml")
    for path in (folder / "gate.md", folder / "compared" / "compare.md"):
        rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(
            path.read_text("utf-8")
        )
        assert not re.search("<(script|img src=[xy]|b>|a )", rendered)
    for verb in (
        ["list", "methods", "--json", "--plugin", "hostile.py"],
        ["store", "ls", "--json"],
    ):
        out, _ = bench(folder, *verb)
        json.loads(out)


def test_the_debugging_traceback_is_spelt_out(run):
    _, err = bench(run.parent, "--debug", "report", f"no{ESCAPES}\udce9", code=1)
    assert "Traceback" in err
    assert "BenchError: no\\x1b]0;owned" in err


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals here")
def test_bars_on_a_terminal_show_it_too(run):
    import pty

    parent, child = pty.openpty()
    environment = os.environ | {
        "BENCH_STORE": str(run.parent / "store2"),
        "TERM": "xterm",
        "COLUMNS": "400",
    }
    command = [
        sys.executable,
        "-P",
        "-m",
        "bench.cli",
        "run",
        "--plugin",
        "hostile.py",
        "-m",
        LABEL,
        "-d",
        f"./{FOLDER}",
        "--figures",
        "none",
        "--out",
        "terminal",
    ]
    process = subprocess.Popen(command, cwd=run.parent, stdout=child, stderr=child, env=environment)
    os.close(child)
    seen = b""
    while True:
        try:
            part = os.read(parent, 2**16)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(parent)
    assert process.wait() == 6, seen[-3000:]  # one of the metrics raises
    shown = seen.decode()
    assert "\x1b]0;" not in shown
    assert "\x1b[2J]" not in shown
    assert not re.search("[\x07\x7f-\x9f\u202e\u2066]", shown)
    assert "\\x1b]0;owned" in shown


def test_no_script_runs_on_the_pages(run):
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    import shutil

    found = next(
        (
            p
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (p := shutil.which(name))
        ),
        None,
    )
    if not found:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    plain = run.parent / "plain"  # a URL of a folder whose name is no UTF-8 is another matter
    shutil.copytree(run, plain)
    sources = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render((run / "report.md").read_text("utf-8"))
    )
    (plain / "rendered.html").write_text(f"<!doctype html><meta charset=utf-8>{sources}", "utf-8")
    wrong = []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu"]
        )
        for page in [
            plain / "report" / "index.html",
            plain / "rendered.html",
            *sorted((plain / "tables").glob("*.html")),
        ]:
            opened = browser.new_page()
            opened.on(
                "dialog",
                lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()),
            )
            opened.on(
                "request",
                lambda request: request.url.startswith("file:") or wrong.append(request.url),
            )
            opened.goto(page.as_uri())
            assert opened.locator("img[src=x], img[src=y], a[href^=javascript]").count() == 0
            opened.close()
        browser.close()
    assert wrong == []


def test_the_case_is_a_real_one():
    assert Path(os.fsdecode(os.fsencode(FOLDER))).name == FOLDER
