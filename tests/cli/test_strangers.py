"""Run folders and cards that a stranger made: nothing of the reader's is touched or read, and every
verb says so in a line."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.cli import main
from bench.errors import BenchError
from bench.fitted import folders
from bench.results import run_folder

METHOD = "zhang[batch=4,steps=2]"
VERBS = {
    "report": ["report", "run", "--out", "out"],
    "score": ["score", "run"],
    "score one metric": ["score", "run", "--metrics", "psnr"],
    "compare": ["compare", "run", "other", "--out", "out"],
    "colorize": ["colorize", "photo.png", "-m", METHOD, "--weights", "run", "--out", "out"],
    "export": ["weights", "export", "run", METHOD, "--out", "out"],
    "gate": ["gate", "run", "--baseline", "baseline.json"],
    "baseline": ["baseline", "write", "run", "out.json"],
}


def tree(folder):
    """All that a folder holds: names, bytes and times."""
    return {
        p.relative_to(folder).as_posix(): (
            p.read_bytes() if p.is_file() else b"",
            p.lstat().st_mtime_ns,
        )
        for p in sorted(folder.rglob("*"))
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of somebody, with its store, a baseline of it, and a photograph."""
    folder = tmp_path_factory.mktemp("author")
    (folder / "pets").mkdir()
    for i in range(20):
        blocks = np.random.default_rng(i).integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((64, 64)).save(folder / "pets" / f"{i}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main(
            [
                "run",
                "-m",
                f"{METHOD},grey",
                "-d",
                "./pets",
                "--preset",
                "tiny",
                "--store",
                "store",
                "--figures",
                "none",
                "--out",
                "run",
                "--metrics",
                "psnr,fair-energy-score",
                "--draws",
                "2",
                "-k",
                "2",
            ]
        )
        main(["baseline", "write", "run", "baseline.json"])
    shutil.copy(folder / "pets" / "0.png", folder / "photo.png")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch, command):
    """The reader's folder: a copy of the run, a second one, and a store of the reader's own. Gives
    the command."""
    for name in ("run", "baseline.json", "photo.png"):
        (shutil.copytree if (made / name).is_dir() else shutil.copy)(made / name, tmp_path / name)
    shutil.copytree(made / "run", tmp_path / "other")
    monkeypatch.setenv("BENCH_STORE", str(tmp_path / "own" / "store"))
    monkeypatch.setenv("BENCH_STORE_CACHE", str(tmp_path / "cache" / "remote"))
    return command


def changed(folder, change):
    """A run folder whose manifest is changed."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def one_line(err):
    lines = [line for line in err.splitlines() if line.startswith("bench: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    return lines[0]


def thing(folder, key):
    """What a stranger's store has under a key: a whole thing, with its mark."""
    folder.mkdir(parents=True)
    (folder / "ab.npy").write_bytes(b"evil")
    files = {"ab.npy": {"bytes": 4, "sha256": hashlib.sha256(b"evil").hexdigest()}}
    mark = {
        "schema_version": 1,
        "kind": "prepared",
        "key": key,
        "ids": [],
        "excluded": {},
        "grey_only": [],
        "files": files,
    }
    (folder / "cell.json").write_text(json.dumps(mark))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("consent", [False, True], ids=["unasked", "asked"])
def test_a_key_that_leads_out_of_the_store_touches_nothing(here, tmp_path, verb, consent):
    """The reader's `victim` was moved away, replaced by the stranger's and deleted, by `bench
    report run` alone."""
    evil, victim = tmp_path / "evil" / "a" / "b" / "c", tmp_path / "victim"
    thing(tmp_path / "evil" / "victim", "../../../victim")
    evil.mkdir(parents=True)
    victim.mkdir()
    (victim / "thesis.tex").write_text("precious")
    url = f"file://{evil}"

    def change(manifest):
        manifest["store"] = url
        for part in ("train", "test"):
            manifest["datasets"]["pets"][part]["key"] = "../../../victim"

    for folder in ("run", "other"):
        changed(tmp_path / folder, change)
    before = tree(victim), tree(tmp_path / "evil")
    status, _, err = here(*VERBS[verb], *(["--store", url] if consent else []))
    assert status == 2
    assert "manifest.json is damaged" in one_line(err)
    assert (tree(victim), tree(tmp_path / "evil")) == before
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "out").exists()


NEEDS = ["report", "score", "score one metric", "colorize", "export"]


@pytest.mark.parametrize("verb", NEEDS)
@pytest.mark.parametrize("kind", ["folder", "url"])
def test_the_store_that_a_run_names_is_opened_when_the_reader_says_so(
    made, here, tmp_path, verb, kind
):
    where = str(made / "store") if kind == "folder" else f"file://{made}/store"
    changed(tmp_path / "run", lambda manifest: manifest.update(store=where))
    before = tree(made / "store")
    status, _, err = here(*VERBS[verb])
    assert status == 2
    line = one_line(err)
    assert f"--store {where}" in line
    assert "not opened" in line
    assert ("--figures none" in line) == (verb == "report")
    assert tree(made / "store") == before
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "own").exists()
    status, _, err = here(*VERBS[verb], "--store", where)
    assert status == 0, err


def test_what_needs_no_store_needs_no_leave(here, tmp_path):
    for folder in ("run", "other"):
        changed(tmp_path / folder, lambda manifest: manifest.update(store="file:///nowhere/at/all"))
    status, out, err = here(*VERBS["compare"])
    assert status == 0, err
    assert "not opened" in (tmp_path / "out" / "compare.md").read_text() or "identical" in out
    assert here(*VERBS["report"], "--figures", "none")[0] == 0
    assert here(*VERBS["gate"])[0] == 0
    assert here(*VERBS["baseline"])[0] == 0
    assert not (tmp_path / "cache").exists()


def test_the_reader_s_own_store_needs_no_leave(made, here, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(made / "store")
    for own in (os.path.relpath(made / "store"), "link"):
        monkeypatch.setenv("BENCH_STORE", own)
        assert here(*VERBS["report"])[0] == 0  # the run is a copy, elsewhere
    changed(
        tmp_path / "run",
        lambda manifest: (
            manifest.pop("store_digest") and manifest.update(store=str(made / "store"))
        ),
    )
    assert here(*VERBS["report"])[0] == 0  # of an older huebench


def test_python_readers_give_leave_by_name(made, here, tmp_path):
    changed(tmp_path / "run", lambda manifest: manifest.update(store=str(made / "store")))
    found = run_folder.read(tmp_path / "run")
    images = found.test_images
    with pytest.raises(BenchError, match="not opened"):
        images("pets")
    assert len(run_folder.read(tmp_path / "run", store=made / "store").test_images("pets")) == 2
    with pytest.raises(BenchError, match="not opened"), folders.opened(tmp_path / "run", METHOD):
        pass
    with folders.opened(tmp_path / "run", METHOD, store=made / "store"):
        pass


def test_a_store_that_was_chosen_for_the_run_needs_no_second_leave_to_go_on(
    made, tmp_path, monkeypatch, command
):
    monkeypatch.setenv("BENCH_STORE", str(tmp_path / "own"))
    given = [
        "run",
        "-m",
        "grey",
        "-d",
        made / "pets",
        "--preset",
        "tiny",
        "--store",
        made / "store",
        "--metrics",
        "psnr",
        "--out",
        "r",
        "--figures",
        "pictures",
    ]
    assert command(*given)[0] == 0
    assert command(*given)[0] == 0
    status, _, err = command("report", "r")
    assert status == 2
    assert f"--store {made / 'store'}" in err
    Path("bench.toml").write_text(f"[run]\nstore = {json.dumps(str(made / 'store'))}\n")
    assert command("report", "r", "--config", "bench.toml")[0] == 0


# Exported methods, and what else a stranger's folder can hold


@pytest.fixture
def card(made, tmp_path):
    """An exported method, which a stranger may change, signing what they changed; the reader's
    secrets lie beside it."""
    folder = folders.export(made / "run", METHOD, tmp_path / "card", store=made / "store")
    (tmp_path / "secret.pth").write_bytes(b"secret")
    return folder


def forged(folder, change):
    card = json.loads((folder / "card.json").read_text())
    change(card, card["fits"][card["fit"]])
    (folder / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize("verb", ["colorize", "import"])
@pytest.mark.parametrize("name", ["evil.pth", "evil.pkl", "fits/evil.pt", "notes.txt"])
def test_an_extra_file_is_refused(card, here, tmp_path, verb, name):
    (card / name).write_bytes(b"\x80\x04evil")
    given = {
        "colorize": ["colorize", "photo.png", "--weights", card, "--out", "out"],
        "import": ["weights", "import", card],
    }
    status, _, err = here(*given[verb])
    assert status == 2
    assert f"holds '{name}', which was not exported: don't use it" in one_line(err)
    mark = {"bytes": 6, "sha256": hashlib.sha256(b"\x80\x04evil").hexdigest()}
    forged(card, lambda whole, _: whole["files"].update({name: mark}))
    status, _, err = here(*given[verb])
    assert (status, name == "notes.txt") in ((2, False), (0, True)), err


def test_a_card_s_paths_open_no_file_of_its_reader(card, tmp_path, monkeypatch):
    """A method is made with what its spec allows, and no file is named by what was only learned."""
    opened = []
    monkeypatch.setattr(
        "bench.methods.zhang_weights.read_release", lambda *given: opened.append(given)
    )
    forged(card, lambda _, mark: mark["parameters"].update(weights=str(tmp_path / "secret.pth")))
    with folders.opened(card) as found:
        assert found.method.weights is None
    assert opened == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda card, mark: mark.update(
                method="precomputed", version="1", parameters={"folder": "/etc", "kind": "iid"}
            ),
            "own folder",
        ),
        (
            lambda card, mark: mark["parameters"].update(colour="red"),
            "unknown parameter of zhang 'colour'",
        ),
        (lambda card, mark: mark["parameters"].update(steps="many"), "parameter steps takes int"),
        (lambda card, mark: mark["parameters"].update(steps=[[1]]), "parameter steps takes int"),
        (lambda card, mark: mark["parameters"].update(preset="../../x"), "is not one of"),
        (lambda card, mark: mark.update(method="../x"), "unknown method '../x'"),
        (lambda card, mark: mark.update(requires={"zhang": "../../../../etc"}), "is damaged"),
        (lambda card, mark: card["fits"].update({"../../victim": mark}), "is damaged"),
        (lambda card, mark: card.update(fit="../../victim"), "is damaged"),
        (lambda card, mark: card["protocol"].update(k="many"), "protocol is damaged"),
        (lambda card, mark: card["protocol"].update(weights="../x"), "holds no colours' weights"),
        (
            lambda card, mark: card["files"].update(
                {"../secret.pth": {"bytes": 6, "sha256": "0" * 64}}
            ),
            "don't use it",
        ),
        (
            lambda card, mark: card["files"].update(
                {"/etc/passwd": {"bytes": 6, "sha256": "0" * 64}}
            ),
            "don't use it",
        ),
    ],
)
def test_a_card_that_says_what_it_can_t(card, here, change, said):
    forged(card, change)
    status, _, err = here("colorize", "photo.png", "--weights", card, "--out", "out")
    assert status == 2
    assert said in one_line(err)


def test_a_link_in_a_run_folder_is_not_written_through(made, here, tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "overview.md").write_text("precious")
    (victim / "index.html").write_text("precious")
    (victim / "page.js").write_text("precious")
    before = tree(victim)
    for name in ("tables", "figures", "report"):
        shutil.rmtree(tmp_path / "run" / name, ignore_errors=True)
        (tmp_path / "run" / name).symlink_to(victim)
        for verb in (["report", "run"], ["report", "run", "--figures", "none"], ["score", "run"]):
            status, _, err = here(*verb, "--store", made / "store")
            assert status == 2
            assert f"run/{name} is a link" in one_line(err)
        (tmp_path / "run" / name).unlink()
    assert tree(victim) == before


@pytest.mark.parametrize(
    "name",
    [
        "../../victim",
        "/etc/x",
        "..",
        ".",
        "a/b",
        "x" * 5000,
        "a\x00b\x1b[31m\nc",
        "C:\\x",
        "con",
        "",
    ],
)
def test_a_name_in_a_manifest_becomes_no_path(made, here, tmp_path, name):
    for folder in ("run", "other"):
        text = (tmp_path / folder / "manifest.json").read_text()
        (tmp_path / folder / "manifest.json").write_text(text.replace('"pets"', json.dumps(name)))
        rows = pd.read_parquet(tmp_path / folder / "scores.parquet").assign(dataset=name)
        rows["value"] += (
            0.1 if folder == "other" else 0
        )  # so that pictures of what changed are drawn
        rows.to_parquet(tmp_path / folder / "scores.parquet")
        sets = pd.read_parquet(tmp_path / folder / "set_scores.parquet").assign(dataset=name)
        sets.to_parquet(tmp_path / folder / "set_scores.parquet")
    before = {
        path for path in tmp_path.rglob("*") if "out" not in path.relative_to(tmp_path).parts[:1]
    }
    for verb in ("report", "compare"):
        status, _, err = here(*VERBS[verb], "--store", made / "store")
        assert (status, "Traceback" in err) == (0, False), err
        shutil.rmtree(tmp_path / "out")
    assert set(tmp_path.rglob("*")) == before
