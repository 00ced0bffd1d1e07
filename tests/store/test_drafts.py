"""What is half written has a name that tells whose it is, and goes when its process has gone."""

import errno
import os
import subprocess
import sys

import pytest

from bench.store import drafts

KILLED = """
import os, pathlib, signal, sys
from bench.store import drafts
with drafts.{what}(pathlib.Path(sys.argv[1])) as draft:
    (draft / "inside").write_text("half") if draft.is_dir() else draft.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_a_killed_process_left_goes_with_the_next_draft(tmp_path, what):
    place = tmp_path / "table.csv"
    subprocess.run([sys.executable, "-P", "-c", KILLED.format(what=what), str(place)], check=False)
    left = list(tmp_path.iterdir())
    assert len(left) == 1
    assert left[0].name.startswith(".table.csv-draft-")
    subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            KILLED.format(what=what).partition("os.kill")[0] + "pass",
            str(place),
        ],
        check=True,
    )
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_drafts_of_others_and_of_the_living_stay(tmp_path):
    strange = tmp_path / ".table.csv-draft-1-00000000-abc"  # of another machine
    strange.touch()
    own = tmp_path / ".mine"
    own.touch()
    with drafts.file(tmp_path / "a") as draft:
        living = subprocess.run(
            [
                sys.executable,
                "-P",
                "-c",
                "import pathlib, sys; from bench.store import drafts\n"
                "with drafts.file(pathlib.Path(sys.argv[1])): pass",
                str(tmp_path / "b"),
            ],
            check=True,
        )
        assert living.returncode == 0
        assert draft.exists()
    assert {p.name for p in tmp_path.iterdir()} == {strange.name, ".mine", "a", "b"}


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    place = tmp_path / "a"
    place.write_text("before")
    with pytest.raises(UnicodeEncodeError, match="surrogates"), drafts.file(place) as draft:
        draft.write_text("half \udcff", encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert place.read_text() == "before"


def test_a_full_folder_is_replaced_where_that_is_meant(tmp_path):
    place = tmp_path / "a"
    place.mkdir()
    (place / "old").write_text("before")
    with pytest.raises(OSError, match="not empty"), drafts.folder(place) as draft:
        (draft / "new").touch()
    assert [p.name for p in place.iterdir()] == ["old"]
    with pytest.raises(RuntimeError, match="half"), drafts.folder(place, full=True) as draft:
        raise RuntimeError("half way")
    assert [p.name for p in place.iterdir()] == ["old"]
    with drafts.folder(place, full=True) as draft:
        (draft / "new").touch()
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "new"]


def test_a_full_folder_comes_back_where_the_new_one_can_not_take_its_place(tmp_path, monkeypatch):
    place, replace, moves = tmp_path / "a", os.replace, []
    place.mkdir()
    (place / "old").write_text("before")

    def fails_once(source, target):
        moves.append(target)
        if len(moves) == 2:
            raise OSError(errno.EIO, "the disk is gone")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails_once)
    with pytest.raises(OSError, match="the disk is gone"), drafts.folder(place, full=True) as draft:
        (draft / "new").touch()
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "old"]


def test_a_name_as_long_as_a_file_system_takes_can_be_written(tmp_path):
    place = tmp_path / ("é" * 127)
    with drafts.file(place) as draft:
        draft.write_text("whole")
    assert place.read_text() == "whole"
