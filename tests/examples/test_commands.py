"""The commands of README and docs: each is one that `bench` understands, and runs as it is written.

What runs: every command of every page, in a copy of the repository with what the pages speak of: a
data home, photographs, earlier runs. Left out are those of `NOT_HERE`, each with its reason;
`docs/first-plugin.md` has a test of its own.

Commands stand in blocks, and in sentences between backticks. What a sentence names need not be
whole: `bench compare` lacks its runs. Its verb and options are looked at all the same, and it runs
where it is whole.
"""

import ast
import io
import json
import re
import shlex
import shutil
import subprocess
import tarfile
from importlib.util import find_spec
from itertools import takewhile
from textwrap import dedent

import click
import numpy as np
import pytest
from PIL import Image

from bench.cli import cli

from ..patience import LONG
from .conftest import ROOT

PROGRAMS = ("bench", "python", "pip", "pytest", "make", "cat", "cd")
OWN_TEST = "docs/first-plugin.md"
NOT_HERE = {
    r"make (demo|test)": "installs from the package index",
    r"bench (data|weights) fetch": "needs the network; tests/fetch/test_fetch.py has a server",
    r"bench data check lfw": "what fetch brought",
    r"bench weights verify zhang-eccv16": "what fetch brought",
    r"tcp://HOST": "needs a cluster; tests/cli/test_executors.py starts one",
    r"submitit\[partition": "needs SLURM; tests/cli/test_executors.py runs jobs locally",
    r"nodes": "needs SLURM",
    r"^python -m bench\.": "would import the copy's bench/ without its shelves; test_describe.py "
    "and tests/conformance have it",
    r"--config bench.toml": "names a file of the reader's; tests/core/test_docs.py reads the page's",
    r"--plugin examples/method": "the tests' environment has it installed; "
    "tests/examples/test_local.py takes it from there",
}
LIGHTER = {
    r"^python benchmarks/(?!article)": "--quick",
    r"^bench run --metrics": "--methods marginal --limit-train 40 --limit-test 6",
    r"^bench run (?!.*--preset tiny).*(--dataset|-d) ": "--preset tiny --limit-train 40 "
    "--limit-test 6 --draws 4",
}
"""What is added to a command that takes minutes to days as it is written."""
HOLDERS = {
    "RUN": "runs/church",
    "DATA": "path/to/data",
    "FOLDER": "path/to/photos",
    "VERB": "list",
    "path/to/caltech-101": "path/to/photos",
}
"""What the docs leave to the reader."""
FILES = re.compile(r"`(\w+\.py)`:\n\n```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
"""Files that a page asks the reader to write."""


def pages(commands_of):
    """Every page that has commands."""
    found = [
        *(
            ROOT / name
            for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")
        ),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]
    return {
        str(path.relative_to(ROOT)): commands
        for path in found
        if (commands := commands_of(path.read_text()))
    }


def without_blocks(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def blocks_commands(text):
    """The commands of a page's blocks: those that begin with a program."""
    found = []
    indented = re.findall(r"(?:^ {4}\S.*\n)+", without_blocks(text), re.MULTILINE)
    for block in [
        *re.findall(r"^```(?:console|sh|bash)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL),
        *map(dedent, indented),
    ]:
        lines = [line for line in block.replace("\\\n", "").splitlines() if line.strip()]
        if lines and lines[0].split()[0] in PROGRAMS:
            found += [
                re.sub(r"\s+(#|//) .*", "", line).strip()
                for line in lines
                if line.strip() not in ("", "...")
            ]
    return found


def sentences_commands(text):
    """The commands that a page's sentences, lists and tables name."""
    text = without_blocks(text)
    spans = [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    return list(dict.fromkeys(span for span in spans if re.match(r"(bench|python|make) ", span)))


PAGES, NAMED = pages(blocks_commands), pages(sentences_commands)
EVERY = [(page, command) for page, commands in PAGES.items() for command in commands]
EVERY_NAMED = [(page, command) for page, commands in NAMED.items() for command in commands]


def test_commands_are_found():
    block = "```\nbench run -m mdn \\\n  -k 3   # why\n...\n```\n\n```\nfour legs\n```\n"
    assert blocks_commands(block) == ["bench run -m mdn   -k 3"]
    assert blocks_commands("By hand:\n\n    bench check mdn\n    bench list\n\nfour legs\n") == [
        "bench check mdn",
        "bench list",
    ]
    assert sentences_commands(block + "`bench list`, `bench`, `bench show\nmdn`, `mdn`") == [
        "bench list",
        "bench show mdn",
    ]
    assert (len(EVERY) > 60, len(EVERY_NAMED) > 60) == (True, True)
    assert {
        "README.md",
        "docs/tour.md",
        "docs/data.md",
        "docs/gate.md",
        "docs/colorize.md",
        "docs/conformance.md",
    } <= set(PAGES)
    assert {
        "SECURITY.md",
        "docs/speed.md",
        "docs/metrics.md",
        "docs/reports.md",
        "docs/faq.md",
    } <= set(NAMED)


@pytest.mark.parametrize(
    ("page", "command"), EVERY, ids=[f"{page}: {command}"[:90] for page, command in EVERY]
)
def test_its_verb_and_options_exist(page, command):
    look(command)


@pytest.mark.parametrize(
    ("page", "command"),
    EVERY_NAMED,
    ids=[f"{page}: {command}"[:90] for page, command in EVERY_NAMED],
)
def test_what_a_sentence_names_has_its_verb_and_options(page, command):
    look(command, whole=False)


def look(command, whole=True):
    """Hold a command against the programs' verbs, options and files; whole: it has all arguments
    that its verb needs."""
    command = re.sub(
        r"--(plugin|config) \S+", "", spelt_out(command).rpartition("| ")[2]
    )  # which are read at once
    first, *words = shlex.split(command)
    assert first.rpartition("/")[2] in PROGRAMS
    if first == "bench":
        try:
            parsed(cli, list(takewhile(lambda word: word != ">", words)))
        except (click.MissingParameter, click.BadOptionUsage, click.exceptions.NoArgsIsHelpError):
            assert not whole, command
        except click.exceptions.Exit:
            assert "--help" in words
    elif first == "python" and words[0] == "-m":
        assert find_spec(words[1])
    elif first == "python":
        assert {word.partition("=")[0] for word in words if word.startswith("-")} <= options(
            ROOT / words[0]
        )
    elif first == "make":
        assert f"\n{words[0]}:" in (ROOT / "Makefile").read_text()


def spelt_out(command, more=None):
    """A command with something in place of what the docs leave to the reader."""
    for word, stands_for in (HOLDERS | (more or {})).items():
        command = re.sub(rf"(?<=[ '\"]){word}\b", stands_for, command)
    return command


def options(script):
    """What a script's parser takes."""
    calls = [node for node in ast.walk(ast.parse(script.read_text())) if isinstance(node, ast.Call)]
    made = [call for call in calls if getattr(call.func, "attr", "") == "add_argument"]
    return {
        str(word.value) for call in made for word in call.args if isinstance(word, ast.Constant)
    }


def parsed(command, words):
    """Parse as `bench` does, down to the last verb, and execute nothing."""
    context = command.make_context(command.name, list(words))
    if isinstance(command, click.Group):
        _, verb, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        parsed(verb, rest)


def runs(command):
    """Whether what a sentence names is a command to be run: whole, with all words spelt out."""
    first, *words = shlex.split(spelt_out(command))
    if (
        any(re.search(pattern, command) for pattern in NOT_HERE)
        or any(word.isupper() for word in words)
        or "..." in command
    ):
        return False
    try:
        look(command)
    except AssertionError:
        return False
    return first != "make" and command not in (
        "bench run",
        "bench check",
    )  # in a block, too; wants a name by itself


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("run --method mdn", "No such option.*--method"),
        ("rum", "No such command.*rum"),
        ("data lst", "No such command.*lst"),
        ("colorize", "photos"),
    ],
)
def test_the_test_sees_a_wrong_command(wrong, says):
    with pytest.raises(click.UsageError, match=says):
        parsed(cli, wrong.split())


@pytest.mark.parametrize(
    "wrong",
    [
        "bench rum",
        "bench report --seeds 3",
        "bench data lst",
        "python benchmarks/gate.py --quicker",
        "python -m bench.describing docs/metrics.md",
        "make tests",
    ],
)
def test_the_test_sees_a_wrong_command_in_a_sentence(wrong):
    with pytest.raises((click.UsageError, AssertionError)):
        look(wrong, whole=False)


def test_what_is_whole_and_what_is_not():
    whole = {
        "bench list",
        "bench show cheat",
        "bench score RUN",
        "python benchmarks/reporting.py --data FOLDER",
    }
    parts = {
        "bench compare",
        "bench data",
        "bench show METRIC",
        "bench report RUN...",
        "bench run",
        "bench check",
        "make test",
    }
    assert {command for command in (*whole, *parts) if runs(command)} == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in dict.fromkeys([*PAGES, *NAMED]) if page != OWN_TEST]
)
def test_every_command_runs(page, reader):
    where = reader.folder(page)
    named = [command for command in NAMED.get(page, []) if runs(command)]
    for command in dict.fromkeys([*PAGES.get(page, []), *named]):
        if any(re.search(pattern, command) for pattern in NOT_HERE):
            continue
        command = spelt_out(command, reader.photographs)
        more = [words for pattern, words in LIGHTER.items() if re.search(pattern, command)]
        where = reader.run(" ".join([command, *more]), where)


@pytest.fixture(scope="module")
def reader(fresh, tmp_path_factory):
    """A reader's folder, and a shell in it."""
    return Reader(fresh, tmp_path_factory.mktemp("reader"))


class Reader:
    """base: the repository, photographs, a data home and earlier runs, which each page begins with."""

    def __init__(self, fresh, base):
        self.fresh, self.base = fresh, base
        names = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout.split("\0")
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (base / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, base / name)
        for name in ("photo.jpg", "album/one.jpg", "album/two.jpg"):
            picture(len(name), base / name)
        for name in (
            "path/to/photographs",
            "path/to/photos",
            "path/to/data/church",
            "photos",
            "some",
        ):
            for number in range(60):
                picture(
                    number,
                    base
                    / name
                    / (
                        "photo.jpg"
                        if number == 0
                        else "other.jpg"
                        if number == 1
                        else f"{number}.jpg"
                    ),
                )
        picture(1, base / "other.jpg")
        faces(base / "path/to/data/lfw-deepfunneled.tgz")
        light = "--preset tiny --limit-train 40 --limit-test 6"
        self.run(f"bench run -m mdn,marginal -d church {light} --out runs/church", base)
        self.run(f"bench run -m mdn,marginal -d path/to/photos {light} --out runs/photos", base)
        for name in ("before", "after"):
            self.run(f"bench run -m mdn,marginal -d church {light} --out runs/{name}", base)

        test = json.loads((base / "runs/church/manifest.json").read_text())["datasets"]["church"][
            "test"
        ]
        self.photographs = dict(zip(("some/photo.jpg", "other.jpg"), test["ids"]))

    def folder(self, page):
        """A copy for a page, without the runs that it makes."""
        copy = self.base.parent / f"{self.base.name}-{page.replace('/', '-')}"
        shutil.copytree(self.base, copy, symlinks=True)
        for name, source in FILES.findall((ROOT / page).read_text()):
            (copy / name).write_text(source)
        for made in re.findall(r"--out (runs/\S+)", " ".join(PAGES.get(page, []))):
            shutil.rmtree(copy / made, ignore_errors=True)
        return copy

    def run(self, command, where):
        """Run a command as a shell does; the folder to go on in."""
        if command.startswith("cd "):
            return (where / command[3:]).resolve(strict=True)
        environment = self.fresh.environment | {
            "BENCH_DATA": str(self.base / "path/to/data"),
            "BENCH_THREADS": "1",
        }
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=where,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        assert done.returncode == 0, (
            f"{command} gave {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return where


def jpeg(seed):
    """A photograph of smooth random colours."""
    data = io.BytesIO()
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(small).resize((250, 250), Image.Resampling.BICUBIC).save(data, "JPEG")
    return data.getvalue()


def picture(seed, path):
    """Save a photograph."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(jpeg(seed))


def faces(path):
    """Sixty photographs in LFW's layout."""
    with tarfile.open(path, "w:gz") as archive:
        for number in range(60):
            data = jpeg(number)
            member = tarfile.TarInfo(f"lfw-deepfunneled/Al_Ek/Al_Ek_{number:04}.jpg")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
