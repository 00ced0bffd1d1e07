"""The commands of README and docs: each is one that `bench` understands, and runs as it is written.

What runs: every command of every page, in a copy of the repository with what the pages speak of: a data home, photographs, earlier
runs. Left out are those of `NOT_HERE`, each with its reason; `docs/first-plugin.md` has a test of its own.
"""

import io
import json
import re
import shlex
import shutil
import subprocess
import tarfile
from itertools import takewhile

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
    r"bench (data|weights) fetch": "needs the network; tests/datasets/test_fetch.py has a server",
    r"bench data check lfw": "what fetch brought",
    r"bench weights verify zhang-eccv16": "what fetch brought",
    r"tcp://HOST": "needs a cluster; tests/cli/test_executors.py starts one",
    r"submitit\[partition": "needs SLURM; tests/cli/test_executors.py runs jobs locally",
    r"nodes": "needs SLURM",
    r"--plugin examples/method": "the tests' environment has it installed; tests/examples/test_local.py takes it from there",
}
LIGHTER = {
    r"^python benchmarks/adversaries": "--limit 4",
    r"^python benchmarks/(?!adversaries|article)": "--quick",
    r"^bench run (?!.*--preset tiny).*(--dataset|-d) ": "--preset tiny --limit-train 40 --limit-test 6 --draws 4",
}
"""What is added to a command that takes minutes to days as it is written."""
HOLDERS = {"RUN": "runs/church", "DATA": "path/to/data"}
"""What the docs leave to the reader."""


def pages():
    """Every page that has commands."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {str(path.relative_to(ROOT)): commands for path in found if (commands := commands_of(path.read_text()))}


def commands_of(text):
    """The commands of a page's blocks: those that begin with a program."""
    found = []
    for block in re.findall(r"^```(?:console|sh|bash)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        lines = [line for line in block.replace("\\\n", "").splitlines() if line.strip()]
        if lines and lines[0].split()[0] in PROGRAMS:
            found += [re.sub(r"\s+(#|//) .*", "", line).strip() for line in lines if line.strip() not in ("", "...")]
    return found


PAGES = pages()
EVERY = [(page, command) for page, commands in PAGES.items() for command in commands]


def test_commands_are_found():
    assert commands_of("```\nbench run -m mdn \\\n  -k 3   # why\n...\n```\n\n```\nfour legs\n```\n") == ["bench run -m mdn   -k 3"]
    assert len(EVERY) > 60
    assert {"README.md", "docs/tour.md", "docs/data.md", "docs/gate.md", "docs/colorize.md"} <= set(PAGES)


@pytest.mark.parametrize(("page", "command"), EVERY, ids=[f"{page}: {command}"[:90] for page, command in EVERY])
def test_its_verb_and_options_exist(page, command):
    first, *words = shlex.split(re.sub(r"--plugin \S+", "", command.rpartition("| ")[2]))  # which is read at once
    assert first in PROGRAMS
    if first == "bench":
        parsed(cli, list(takewhile(lambda word: word != ">", words)))
    elif first == "python" and words[0] != "-m":
        assert (ROOT / words[0]).is_file()
    elif first == "make":
        assert f"\n{words[0]}:" in (ROOT / "Makefile").read_text()


def parsed(command, words):
    """Parse as `bench` does, down to the last verb, and execute nothing."""
    context = command.make_context(command.name, list(words))
    if isinstance(command, click.Group):
        _, verb, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        parsed(verb, rest)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("run --method mdn", "No such option.*--method"), ("rum", "No such command.*rum"), ("data lst", "No such command.*lst"),
     ("colorize", "photos")],
)  # fmt: skip
def test_the_test_sees_a_wrong_command(wrong, says):
    with pytest.raises(click.UsageError, match=says):
        parsed(cli, wrong.split())


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page != OWN_TEST])
def test_every_command_runs(page, reader):
    where = reader.folder(page)
    for command in PAGES[page]:
        if any(re.search(pattern, command) for pattern in NOT_HERE):
            continue
        for word, stands_for in (HOLDERS | reader.photographs).items():
            command = re.sub(rf"(?<=[ '\"]){word}\b", stands_for, command)
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
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (base / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, base / name)
        for name in ("photo.jpg", "album/one.jpg", "album/two.jpg"):
            picture(len(name), base / name)
        for name in ("path/to/photographs", "path/to/photos", "path/to/data/church", "photos", "some"):
            for number in range(60):
                picture(number, base / name / ("photo.jpg" if number == 0 else "other.jpg" if number == 1 else f"{number}.jpg"))
        picture(1, base / "other.jpg")
        faces(base / "path/to/data/lfw-deepfunneled.tgz")
        light = "--preset tiny --limit-train 40 --limit-test 6"
        self.run(f"bench run -m mdn,marginal -d church {light} --out runs/church", base)
        self.run(f"bench run -m mdn,marginal -d path/to/photos {light} --out runs/photos", base)
        for name in ("before", "after"):
            self.run(f"bench run -m mdn,marginal -d church {light} --out runs/{name}", base)

        test = json.loads((base / "runs/church/manifest.json").read_text())["datasets"]["church"]["test"]
        self.photographs = dict(zip(("some/photo.jpg", "other.jpg"), test["ids"]))

    def folder(self, page):
        """A copy for a page, without the runs that it makes."""
        copy = self.base.parent / f"{self.base.name}-{page.replace('/', '-')}"
        shutil.copytree(self.base, copy, symlinks=True)
        for made in re.findall(r"--out (runs/\S+)", " ".join(PAGES[page])):
            shutil.rmtree(copy / made, ignore_errors=True)
        return copy

    def run(self, command, where):
        """Run a command as a shell does; the folder to go on in."""
        if command.startswith("cd "):
            return (where / command[3:]).resolve(strict=True)
        environment = self.fresh.environment | {"BENCH_DATA": str(self.base / "path/to/data"), "BENCH_THREADS": "1"}
        done = subprocess.run(["bash", "-c", command], cwd=where, env=environment, capture_output=True, text=True, timeout=LONG,
                              check=False)  # fmt: skip
        assert done.returncode == 0, f"{command} gave {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
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
