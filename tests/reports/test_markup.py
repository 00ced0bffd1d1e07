"""One text, three forms: what is escaped, what captions hold, and that LaTeX compiles."""

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.extend.markup import Caption, Table, to_html, to_latex
from bench.output import Output
from bench.reports import diversity_table, overview, paper_tables, ranking, score_tables
from bench.text import latex
from bench.text import markdown as escape

NASTY = "<script>alert(1)</script> & a_b% #1 \\ {x} $y$ ~^ | *q* `z` [t](javascript:1) \"' – ₂ 日本"


def a_page(name=NASTY):
    table = Table(
        ["Method", "Error ↓"], [["**a**", "1 (1)"], ["*controls*", ""], [escape(name), "[2, 3]"]]
    )
    return [
        "### The title",
        "Some text.",
        Caption("Protocol `paper`."),
        "#### church",
        Caption("church: 9 test."),
        Caption("**Part**"),
        table,
        "(1) refused  \n(2) failed",
        "- one\n- two",
        "#### lfw",
        Caption("lfw: 8 test."),
        table,
    ]


def test_markup_in_names_is_shown_and_not_obeyed():
    html = to_html(a_page())
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not re.search(r'href="javascript', html)
    assert "[t](javascript:1)" in html
    assert "*q*" in html


BLOCKS = [
    "1. Portraits",
    "2) x",
    "# z",
    "- x",
    "+ a",
    "> q",
    "[a]: b",
    "---",
    "===",
    "1986",
    "***",
    "    code",
]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_name_that_looks_like_a_block_is_a_paragraph_of_text(name):
    caption = Caption(f"{escape(name)}: 9 test photographs.")
    html = to_html([caption])
    assert html.startswith("<p>")
    assert html.count("<") == 2
    assert name.strip().replace(">", "&gt;") in html
    table = Table(["Method", "x"], [["a", "1"]])
    assert r"\caption{" in to_latex([f"### {escape(name)}", caption, table])


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40))
def test_any_name_in_a_cell_stays_one_cell_of_text(name):
    html = to_html([Table(["Method", "x"], [["m" + escape(name), "1"]])])
    shown = re.search(r"<td>(.*?)</td>", html, re.S)[1]
    assert not re.search(r"<(?!/?(strong|em|code)>)", shown)
    assert html.count("<td") == 2


def test_rows_under_a_heading_are_a_body_of_their_own():
    html = to_html([a_page("x")[6]])
    assert html.count("<tbody") == 2
    assert '<tbody class="group controls"><tr><th colspan="2"><em>controls</em></th></tr>' in html
    assert '<th scope="col" class="number">Error ↓</th>' in html


def test_a_caption_of_latex_holds_titles_protocol_and_photographs_and_no_other_section_s():
    first, second = re.findall(r"\\caption\{(.*)\}", to_latex(a_page("x")))
    assert first == r"The title: church. Protocol \texttt{paper}. church: 9 test. \textbf{Part}."
    assert second == r"The title: lfw. Protocol \texttt{paper}. lfw: 8 test."


def test_latex_of_markdown_that_nobody_writes_is_refused():
    with pytest.raises(ValueError, match="no LaTeX for a blockquote"):
        to_latex(["> quoted"])


needs_latex = pytest.mark.skipif(
    not shutil.which("pdflatex"), reason="no pdflatex: install TeX Live (with booktabs)"
)


def compiled(folder, sources):
    """A minimal document of tables; returns pdflatex's log, after it ended well."""
    inputs = "\n".join(rf"\input{{{source}}}\clearpage" for source in sources)
    (folder / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs,graphicx}\n"
        f"\\begin{{document}}\n{inputs}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    return done.stdout


@needs_latex
def test_the_latex_of_every_table_compiles(make, tmp_path):
    import numpy as np

    rng, odd = np.random.default_rng(0), "my_set #1 & 日本 {50%}"
    rows = []
    for name, role in (("mdn[k=5]", "colourizer"), ("a_b<c>", "colourizer"), ("grey", "control")):
        draws = {
            (m, v): rng.gamma(5, 0.01, 30)
            for m, v in (
                ("fair-energy-score", "field"),
                ("fair-variogram-score", "grid"),
                ("fair-crps", "ab"),
                ("psnr", "mean-of-n"),
                ("coverage", "a-82"),
                ("pairwise-distance", "ab"),
            )
        }
        rows += make.draws(name, draws, role=role, dataset=odd)
        shown = {
            ("error-of-best", "sum", "all"): rng.gamma(5, 0.01, 30),
            ("variance", "ab", "all"): rng.gamma(5, 0.01, 30),
        }
        rows += make.rows(name, shown, role=role, dataset=odd)
    errors = {
        ("absolute-error", v, r): rng.gamma(5, 0.01, 30)
        for v in ("sum", "mean", "weighted-sum")
        for r in ("all", "grid")
    }
    for loss in ("l2", "full"):
        rows += make.rows(
            f"vae[loss={loss}]",
            errors,
            role="codec",
            kind="reconstruction",
            parameters={"loss": loss},
            dataset=odd,
        )
    rows.append(make.failed("zhang", "it broke: 100% of $x_1 & y\\z", dataset=odd))
    results = [make.results(tmp_path / "run", rows, (odd,))]
    out = Output(tmp_path, formats=frozenset({"latex"}))
    paths = [
        p
        for report in (ranking, overview, paper_tables, diversity_table, score_tables)
        for p in report.write(results, out)
    ]
    assert len(paths) >= 8
    assert {p.suffix for p in paths} == {".tex"}
    log = compiled(tmp_path, [p.relative_to(tmp_path).as_posix() for p in paths])
    assert "Missing character" not in log
    assert "Overfull" not in re.sub(r"Overfull \\[hv]box \((\d{1,2}\.\d+|0\.\d+)pt", "", log)


@needs_latex
def test_every_character_compiles(tmp_path):
    characters = [
        chr(c) for c in (*range(1, 0x250), *range(0x2000, 0x2100), 0x3BC, 0x65E5, 0x1F600)
    ]
    (tmp_path / "all.tex").write_text("\n\n".join(latex(c) + "x" for c in characters))
    compiled(tmp_path, ["all.tex"])
