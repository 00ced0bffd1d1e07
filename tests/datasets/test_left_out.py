"""What may be a photograph is read, or named with the reason: whatever lies in a folder or an
archive, nothing of it ends a run."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.contracts.execution import Quiet
from bench.data import prepare
from bench.data import source as data_source
from bench.datasets import sources
from bench.datasets.folder import FolderOfImages
from bench.datasets.imagenet_val import ImagenetVal
from bench.datasets.lfw import Lfw
from bench.errors import BenchError, NothingMeasured
from bench.fetch import archives
from bench.pictures.images import Unreadable
from bench.protocol import make_paper
from bench.results import report
from bench.specs import DatasetSpec
from bench.store.local import Store

from ..manifests import make_manifest

PAPER = make_paper(antialias=False)
RUN = ("--figures", "none", "--metrics", "absolute-error", "--preset", "tiny")


def picture(number, form="JPEG"):
    levels = np.random.default_rng(number).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, form)
    return stream.getvalue()


@pytest.fixture
def album(tmp_path):
    """Twelve photographs, 0.jpg to 11.jpg."""
    place = tmp_path / "album"
    place.mkdir()
    for number in range(12):
        (place / f"{number}.jpg").write_bytes(picture(number))
    return place


NAMES = [f"{number}.jpg" for number in range(12)]


def listed(place):
    folder = FolderOfImages(path=place)
    return folder.files(), dict(folder.left_out())


def unprivileged(*line, cwd=None):
    """Run a command for which permissions hold, though the tests may be root's."""
    able = (
        ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
        if os.geteuid() == 0
        else []
    )
    if able and (
        not shutil.which("setpriv")
        or subprocess.run([*able, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("permissions don't hold for root, and there is no setpriv here")
    return subprocess.run(
        [*able, sys.executable, "-P", *line], cwd=cwd, capture_output=True, text=True, check=False
    )


FORMS = {
    "avif": "AVIF",
    "avifs": "AVIF",
    "bmp": "BMP",
    "dib": "BMP",
    "gif": "GIF",
    "jfi": "JPEG",
    "jfif": "JPEG",
    "jif": "JPEG",
    "jpe": "JPEG",
    "jpeg": "JPEG",
    "JPG": "JPEG",
    "j2c": "JPEG2000",
    "j2k": "JPEG2000",
    "jp2": "JPEG2000",
    "jpc": "JPEG2000",
    "jpf": "JPEG2000",
    "jpx": "JPEG2000",
    "mpo": "MPO",
    "apng": "PNG",
    "png": "PNG",
    "pbm": "PPM",
    "pgm": "PPM",
    "pnm": "PPM",
    "ppm": "PPM",
    "tif": "TIFF",
    "tiff": "TIFF",
    "webp": "WEBP",
}


@pytest.mark.parametrize("suffix", FORMS)
def test_all_usual_suffixes_are_photographs(tmp_path, suffix):
    if FORMS[suffix] not in Image.SAVE and not Image.init() and FORMS[suffix] not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {FORMS[suffix]}")
    (tmp_path / f"a.{suffix}").write_bytes(picture(0, FORMS[suffix]))
    assert listed(tmp_path) == ([f"a.{suffix}"], {})


@pytest.mark.parametrize("form", sorted({*FORMS.values()} - {"MPO"}))
@pytest.mark.parametrize(
    "name",
    [
        "photo",
        "photo.jpg_large",
        "photo.dat",
        "photo.heic",
        "Photo No. 7",
        "photo.jpeg~",
        "photo.1",
    ],
)
def test_a_file_of_no_or_a_wrong_suffix_is_judged_by_its_first_bytes(tmp_path, form, name):
    (tmp_path / name).write_bytes(picture(0, form))
    (tmp_path / "read me").write_text("Photographs.\nBM. P4.")
    (tmp_path / "odd.dat").write_bytes(b"\x89PN")
    (tmp_path / "empty").write_bytes(b"")
    if form == "TIFF" and name == "photo.heic":
        pytest.skip("raw files of cameras begin like TIFF")
    assert listed(tmp_path) == ([name], {})


@pytest.mark.parametrize(
    "name",
    ["a.heic", "a.HEIF", "a.svg", "a.psd", "a.eps", "a.pdf", "a.cr2", "a.nef", "a.dng", "a.jxl"],
)
def test_pictures_that_are_not_read_are_named(album, name):
    (album / name).write_bytes(b"MM\0*\0\0\0\x08" if name.endswith("f") else b"whatever it is")
    (album / "notes.txt").write_text("no picture")
    (album / ".hidden.heic").write_text("hidden")
    (album / "no suffix").write_text("no picture")
    files, left_out = listed(album)
    assert files == sorted(NAMES)
    assert left_out == {name: f"{name[2:].lower()} is a format that is not read"}


def test_a_folder_of_nothing_but_these_says_so(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.heic").write_bytes(b"x")
    with pytest.raises(
        NothingMeasured,
        match=r"no image .*; 3 left out, first 0\.heic: heic is a format that is not read$",
    ):
        listed(tmp_path)


def test_links_that_lead_nowhere_to_themselves_and_up(tmp_path, album):
    """And those to sibling folders, which people make on purpose, and to files, are followed."""
    (tmp_path / "pool" / "deep").mkdir(parents=True)
    (tmp_path / "pool" / "deep" / "x.png").write_bytes(picture(0, "PNG"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "private.jpg").write_bytes(picture(1))
    (album / "sub").mkdir()
    for name, target in {
        "self.jpg": "self.jpg",
        "annex.jpg": ".git/annex/objects/x",
        "annex": "nowhere",
        "notes.txt": "nowhere",
        "up": "..",
        "round": ".",
        "sub/album": str(album),
        "sub/root": "/",
        "pool": "../pool/deep",
        "sub/pool": "../../pool",
        "file.jpg": "../other/private.jpg",
        "mutual.jpg": "lautum.jpg",
        "lautum.jpg": "mutual.jpg",
        "behind.jpg": "0.jpg/x",
    }.items():
        (album / name).symlink_to(target)
    files, left_out = listed(album)
    assert files == sorted([*NAMES, "file.jpg", "pool/x.png", "sub/pool/deep/x.png"])
    nowhere, itself, up = (
        "a link to what is not there",
        "a link that leads to itself",
        "a link that leads back up",
    )
    assert left_out == {
        "annex": nowhere,
        "annex.jpg": nowhere,
        "behind.jpg": nowhere,
        "lautum.jpg": itself,
        "mutual.jpg": itself,
        "round/": up,
        "self.jpg": itself,
        "sub/album/": up,
        "sub/root/": up,
        "up/": up,
    }


def test_folders_that_link_to_one_another_are_no_end(tmp_path):
    """Ten, each with links to all: a walk along all ways between them would have millions of steps."""
    for number in range(10):
        (tmp_path / "pool" / f"f{number}").mkdir(parents=True)
        (tmp_path / "pool" / f"f{number}" / "x.jpg").write_bytes(b"x")
        for other in range(10):
            (tmp_path / "pool" / f"f{number}" / f"to{other}").symlink_to(f"../f{other}")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to("../pool")
    for place in (tmp_path / "pool", tmp_path / "set"):
        files, left_out = listed(place)
        assert {
            f"{prefix}f{number}/x.jpg"
            for number in range(10)
            for prefix in ("", "linked/")
            if prefix in str(files)
        } & {*files}
        assert len(files) + len(left_out) < 3000


def test_folders_in_folders_in_folders(tmp_path):
    """Deeper than Python nests calls, and than names may be long."""
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(2200):
            Path("x.jpg").write_bytes(b"x")
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(here)
    try:
        files, left_out = listed(tmp_path)
        assert len(files) > 1500
        assert "File name too long" in "".join(left_out.values())
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_pipes_sockets_and_devices_are_never_opened(album):
    os.mkfifo(album / "pipe.jpg")
    os.mkfifo(album / "pipe")
    (album / "null.jpg").symlink_to("/dev/null")
    (album / "zero.png").symlink_to("/dev/zero")
    here = os.getcwd()
    os.chdir(album)  # a socket's name must be short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket.jpg")
    finally:
        os.chdir(here)
    files, left_out = listed(album)
    assert files == sorted(NAMES)
    assert left_out == dict.fromkeys(
        ["null.jpg", "pipe.jpg", "socket.jpg", "zero.png"], "a named pipe, a device or the like"
    )
    assert list(dict(FolderOfImages(path=album).read(NAMES))) == sorted(NAMES)


def test_what_becomes_a_pipe_while_it_is_read_is_not_waited_for(album):
    name, read = next(FolderOfImages(path=album).source().members())
    (album / name).unlink()
    os.mkfifo(album / name)
    with pytest.raises(Unreadable, match="it is no plain file any more"):
        read()


def test_a_file_that_is_far_too_large_is_not_read_into_memory(album):
    with (album / "huge.tif").open("wb") as stream:
        stream.truncate(sources.LARGEST + 1)
    assert listed(album)[1] == {"huge.tif": "2,147,483,649 bytes are more than 2,147,483,648"}


@pytest.fixture
def found(album, tmp_path):
    """The data set as a run sees it, each time anew; with a store that stays."""
    store = Store(tmp_path / "store")

    def make(place=album):
        spec = DatasetSpec(name="folder", summary="", factory="x:Y")
        return data_source.make_source(
            spec, "album", FolderOfImages(path=place), PAPER, store, Quiet()
        ), store

    return make


def test_what_is_left_out_is_remembered_until_it_is_mended(found, album):
    (album / "later.jpg").symlink_to("elsewhere")
    assert [found()[0].left_out for _ in range(2)] == [
        {"later.jpg": "a link to what is not there"}
    ] * 2
    assert len(list((found()[1].folder / "indexes").glob("??/*"))) == 1
    (album / "elsewhere").write_bytes(picture(50))
    source, _ = found()
    assert source.left_out == {}
    assert {"later.jpg", "elsewhere"} <= {*source.train, *source.test}


class Failing(FolderOfImages):
    """A folder on a disk some of whose files fail."""

    fails: frozenset[str] = frozenset()

    def read(self, wanted):
        for name, data in super().read(wanted):
            yield name, Unreadable("Input/output error") if name in self.fails else data


def test_a_failing_disk_costs_a_photograph_for_as_long_as_it_fails(album, tmp_path):
    store, spec = Store(tmp_path / "store"), DatasetSpec(name="folder", summary="", factory="x:Y")
    failing, sound = Failing(path=album), FolderOfImages(path=album)
    failing.fails = frozenset({"3.jpg"})
    ill = data_source.make_source(spec, "album", failing, PAPER, store, Quiet())
    assert ill.left_out == {"3.jpg": "Input/output error"}
    assert "3.jpg" not in {*ill.train, *ill.test}
    well = data_source.make_source(spec, "album", sound, PAPER, store, Quiet())
    assert well.left_out == {}
    assert "3.jpg" in {*well.train, *well.test}
    # and one that fails once it was listed
    for source in (data_source.make_source(spec, "album", failing, PAPER, store, Quiet()), well):
        failing.fails = frozenset({source.train[4]})
        part = prepare.prepare(
            prepare.replace(source, dataset=failing), "train", None, PAPER, store, Quiet()
        )
        assert part.excluded == {source.train[4]: "Input/output error"}
        assert part.ids == tuple(name for name in source.train if name != source.train[4])
    whole = prepare.prepare(well, "train", None, PAPER, store, Quiet())
    assert (whole.ids, whole.excluded) == (well.train, {})
    assert whole.key != part.key


def test_a_file_that_changes_or_goes_between_listing_and_reading_costs_itself(found, album):
    source, store = found()
    changed, gone, emptied = source.train[1], source.train[2], source.train[5]
    (album / changed).write_bytes(picture(99))
    (album / gone).unlink()
    (album / emptied).write_bytes(b"")
    part = prepare.prepare(source, "train", None, PAPER, store, Quiet())
    was = "its file was changed while the data set was read"
    assert part.excluded == {changed: was, gone: "it is not there any more", emptied: was}
    assert part.ids == tuple(name for name in source.train if name not in part.excluded)
    with pytest.raises(BenchError, match=r"--strict: 3 photograph\(s\) of album can't be read"):
        prepare.prepare(source, "train", None, PAPER, store, Quiet(), strict=True)
    shutil.rmtree(album)
    with pytest.raises(BenchError, match="does not exist"):
        prepare.prepare(source, "test", None, PAPER, store, Quiet())


def test_nothing_that_can_be_read_is_said_with_the_reason(album, tmp_path):
    store, spec = Store(tmp_path / "store"), DatasetSpec(name="folder", summary="", factory="x:Y")
    failing = Failing(path=album)
    failing.fails = frozenset(NAMES)
    with pytest.raises(
        NothingMeasured,
        match=r"has 0 photograph\(s\): .*; 12 left out, first 0.jpg: Input/output error",
    ):
        data_source.make_source(spec, "album", failing, PAPER, store, Quiet())


def names_of(manifest):
    data = manifest["datasets"]["album"]
    return sorted([*data["train"]["ids"], *data["test"]["ids"]])


def test_a_run_says_what_it_leaves_out_everywhere(command, album):
    (album / "self.jpg").symlink_to("self.jpg")
    (album / "a.heic").write_bytes(b"x")
    os.mkfifo(album / "pipe.jpg")
    left_out = {
        "self.jpg": "a link that leads to itself",
        "a.heic": "heic is a format that is not read",
        "pipe.jpg": "a named pipe, a device or the like",
    }
    status, _, err = command(
        "run", "-m", "grey", "-d", "album", *RUN, "--store", "store", "--out", "run"
    )
    assert status == 0, err
    assert all(f"album: left out {name}: {why}" in err for name, why in left_out.items())
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert manifest["datasets"]["album"]["left_out"] == left_out
    assert names_of(manifest) == sorted(NAMES)
    assert "; 3 left out (named in manifest.json)" in Path("run/report.md").read_text()
    page = Path("run/report/index.html").read_text()
    assert "3 photographs left out" in page
    assert "self.jpg: a link that leads to itself" in page
    status, _, err = command(
        "run", "-m", "grey", "-d", "album", *RUN, "--store", "store", "--out", "strict", "--strict"
    )
    assert status == 2
    assert err.splitlines()[-1].startswith(
        "bench: --strict: 3 photograph(s) of album can't be read, first "
    )


def test_the_verbs_of_data_say_what_they_leave_out(command, album, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_STORE", str(tmp_path / "store"))
    for number in range(25):
        (album / f"annex{number:02}.jpg").symlink_to(f"../.git/annex/objects/{number}")
    for verb, more in (("prepare", ()), ("split", ()), ("check", ()), ("stats", ())):
        status, out, err = command("data", verb, "./album", *more)
        if verb == "check":  # it takes names only
            assert status == 2
            continue
        assert status == 0, err
        said = [line for line in err.splitlines() if "left out" in line]
        assert said == [
            *(
                f"album: left out annex{number:02}.jpg: a link to what is not there"
                for number in range(10)
            ),
            "album: left out 15 more: a run's manifest.json names all",
        ]
        if verb == "split":
            assert "to train, 1 to test, 25 left out, digest" in out
        if verb == "stats":
            assert any(line.split()[:3] == ["left", "out", "25"] for line in out.splitlines())
    assert len(json.loads(Path("album-split.json").read_text())["left_out"]) == 25
    status, _, err = command(
        "run", "-m", "grey", "-d", "album", *RUN, "--out", "run", "--split", "album-split.json"
    )
    assert status == 0, err


def test_check_counts_what_is_left_out_of_a_known_set(command, album, tmp_path):
    (tmp_path / "home").mkdir()
    album.rename(tmp_path / "home" / "church")
    (tmp_path / "home" / "church" / "gone.jpg").symlink_to("nowhere")
    _, out, err = command("data", "check", "church", "--data-home", "home", "--store", "store")
    assert any(line.split() == ["left", "out", "1"] for line in out.splitlines())
    assert "church: left out gone.jpg: a link to what is not there" in err


def test_files_and_folders_that_may_not_be_read_cost_themselves(album, tmp_path):
    (album / "3.jpg").chmod(0)
    (album / "locked").mkdir()
    (album / "locked" / "x.jpg").write_bytes(picture(1))
    (album / "locked").chmod(0)
    run = (
        "-m",
        "bench.cli",
        "run",
        "-m",
        "grey",
        "-d",
        "album",
        *RUN,
        "--store",
        "store",
        "--out",
        "run",
    )
    done = unprivileged(*run, cwd=tmp_path)
    (album / "locked").chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "album: left out 3.jpg: Permission denied" in done.stderr
    assert "album: left out locked/: Permission denied" in done.stderr
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["datasets"]["album"]["left_out"] == {
        "3.jpg": "Permission denied",
        "locked/": "Permission denied",
    }
    assert names_of(manifest) == sorted({*NAMES} - {"3.jpg"})
    kept = len(list((tmp_path / "store" / "indexes").glob("??/*")))
    assert kept == 1
    (album / "3.jpg").chmod(0o644)
    done = unprivileged(*run[:-1], "mended", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stderr
    assert names_of(json.loads((tmp_path / "mended" / "manifest.json").read_text())) == sorted(
        [*NAMES, "locked/x.jpg"]
    )


def test_a_whole_folder_that_may_not_be_read_is_one_line(album, tmp_path):
    album.chmod(0)
    done = unprivileged(
        "-m", "bench.cli", "data", "split", "./album", "--store", "store", cwd=tmp_path
    )
    album.chmod(0o755)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["bench: can't read album: Permission denied"]


# archives that were put into the data home by hand

FACES = {f"lfw/P_{i}/P_{i}_0001.jpg": picture(i) for i in range(4)}


def member(name, kind=tarfile.REGTYPE, link="", size=0):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


def tar(path, files=FACES, more=(), mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            archive.addfile(member(name, size=len(data)), io.BytesIO(data))
        for made in more:
            archive.addfile(made)
    return path


def zipped(path, files=FACES):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


PACKED = {
    "plain": lambda path: tar(path),
    "gzip": lambda path: tar(path, mode="w:gz"),
    "bzip2": lambda path: tar(path, mode="w:bz2"),
    "xz": lambda path: tar(path, mode="w:xz"),
    "zip": zipped,
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("name", ["lfw-deepfunneled.tgz"])
def test_an_archive_is_what_its_first_bytes_say(tmp_path, kind, name):
    PACKED[kind](tmp_path / name)
    lfw = Lfw(home=tmp_path)
    assert lfw.files() == [f"P_{i}_0001" for i in range(4)]
    assert dict(lfw.read(lfw.files())) == {Path(face).stem: data for face, data in FACES.items()}
    assert lfw.left_out() == {}


@pytest.mark.parametrize("kind", PACKED)
def test_what_fetch_takes_a_run_reads(command, tmp_path, kind):
    PACKED[kind](tmp_path / "mine")
    status, _, err = command("data", "fetch", "lfw", "--file", "mine", "--data-home", "home")
    assert status == 0, err
    status, out, err = command("data", "split", "lfw", "--data-home", "home", "--store", "store")
    assert status == 0, err
    assert out.startswith("3 to train, 1 to test")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_hard_links_of_an_archive_are_read_and_others_named(tmp_path, mode):
    hard, soft = tarfile.LNKTYPE, tarfile.SYMTYPE
    tar(
        tmp_path / "lfw-deepfunneled.tgz",
        {**FACES, "lfw/notes.txt": b"x", "lfw/.hidden.jpg": b"x", "lfw/__MACOSX/P.jpg": b"x"},
        [
            member("lfw/A/A_0001.jpg", hard, "lfw/P_0/P_0_0001.jpg"),
            member("lfw/B/B_0001.jpg", hard, "./lfw/P_0/P_0_0001.jpg"),
            member("lfw/C/C_0001.jpg", hard, "lfw/A/A_0001.jpg"),
            member("lfw/D/D_0001.jpg", hard, "lfw/nowhere.jpg"),
            member("lfw/E/E_0001.jpg", soft, "../P_0/P_0_0001.jpg"),
            member("lfw/F", soft, "P_0"),
            member("lfw/G/G_0001.jpg", tarfile.FIFOTYPE),
            member("lfw/H/H_0001.jpg", tarfile.CHRTYPE),
            member("lfw/R.txt", soft, "x"),
            member("lfw/I/I_0001.jpg", hard, "lfw/J/J_0001.jpg"),
            member("lfw/J/J_0001.jpg", hard, "lfw/I/I_0001.jpg"),
            member("lfw/K.txt", hard, "lfw/P_1/P_1_0001.jpg"),
            member("../L_0001.jpg"),
            member("/M_0001.jpg"),
            member("lfw/N.heic"),
            member("lfw/O/O_0001.jpg", tarfile.GNUTYPE_SPARSE),
        ],
        mode,
    )
    lfw = Lfw(home=tmp_path)
    assert lfw.files() == ["A_0001", "B_0001", "C_0001", *(f"P_{i}_0001" for i in range(4))]
    read = dict(lfw.read(lfw.files()))
    assert [read[f"{name}_0001"] for name in ("A", "B", "C")] == [FACES["lfw/P_0/P_0_0001.jpg"]] * 3
    gone = "a hard link to a file that is not in the archive"
    assert lfw.left_out() == {
        "lfw/D/D_0001.jpg": gone,
        "lfw/E/E_0001.jpg": "a symbolic link",
        "lfw/F": "a symbolic link",
        "lfw/G/G_0001.jpg": "a named pipe",
        "lfw/H/H_0001.jpg": "a device or the like",
        "lfw/I/I_0001.jpg": gone,
        "lfw/J/J_0001.jpg": gone,
        "../L_0001.jpg": "its name leads out of the archive",
        "/M_0001.jpg": "its name leads out of the archive",
        "lfw/N.heic": "heic is a format that is not read",
        "lfw/O/O_0001.jpg": "a sparse file",
    }


def test_what_tar_makes_of_linked_files_is_read(tmp_path):
    for name, data in FACES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    os.link(tmp_path / "lfw/P_0/P_0_0001.jpg", tmp_path / "lfw/P_3/Z_0001.jpg")
    (tmp_path / "home").mkdir()
    subprocess.run(["tar", "-czf", "home/lfw-deepfunneled.tgz", "lfw"], cwd=tmp_path, check=True)
    lfw = Lfw(home=tmp_path / "home")
    assert len(lfw.files()) == 5
    assert {
        name: str(data) if isinstance(data, Unreadable) else data
        for name, data in lfw.read(["Z_0001"])
    } == {"Z_0001": FACES["lfw/P_0/P_0_0001.jpg"]}


def test_links_in_a_zip_are_named_and_files_without_suffix_judged(tmp_path):
    with zipfile.ZipFile(tmp_path / "ILSVRC2012_img_val.tar", "w") as archive:
        for number in range(3):
            archive.writestr(f"ILSVRC2012_val_{number:08}.JPEG", picture(number))
        archive.writestr("ILSVRC2012_val_00000007", picture(7, "PNG"))
        archive.writestr("notes", "no picture")
        link = zipfile.ZipInfo("b.JPEG")
        link.external_attr = (0o120777) << 16
        archive.writestr(link, "ILSVRC2012_val_00000001.JPEG")
    imagenet = ImagenetVal(home=tmp_path)
    assert imagenet.files() == [f"ILSVRC2012_val_{number:08}" for number in (0, 1, 2, 7)]
    assert imagenet.left_out() == {"b.JPEG": "a symbolic link"}
    assert dict(imagenet.read(["ILSVRC2012_val_00000007"])) == {
        "ILSVRC2012_val_00000007": picture(7, "PNG")
    }


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"]
)
def test_a_bomb_in_the_data_home_is_refused_before_it_fills_the_memory(tmp_path, pack):
    whole = tar(tmp_path / "whole", {"a/zeros_0001.jpg": bytes(2**27), **FACES}).read_bytes()
    (tmp_path / "lfw-deepfunneled.tgz").write_bytes(pack(whole))
    for ask in (Lfw(home=tmp_path).files, lambda: list(Lfw(home=tmp_path).read(["zeros_0001"]))):
        with pytest.raises(BenchError, match="unpacks to more than 100 times its size"):
            ask()


def test_two_members_of_one_name_are_refused(tmp_path):
    tar(tmp_path / "lfw-deepfunneled.tgz", FACES, [member("lfw/P_0/P_0_0001.jpg")])
    with pytest.raises(BenchError, match=r"two images .* 'P_0_0001'"):
        Lfw(home=tmp_path).files()


def test_a_bomb_of_hard_links_is_refused(tmp_path):
    links = [member(f"{i}.jpg", tarfile.LNKTYPE, "x.jpg") for i in range(200)]
    path = tar(tmp_path / "a.tar", {"x.jpg": bytes(2**20)}, links)
    with pytest.raises(BenchError, match="unpacks to more than 100 times its size"):
        list(archives.members(path))


def test_a_chain_of_hard_links_ends(tmp_path):
    count = 3000
    links = [member(f"{i}.jpg", tarfile.LNKTYPE, f"{i + 1}.jpg") for i in range(count)]
    path = tar(tmp_path / "a.tar", {f"{count}.jpg": b"x"}, links)
    assert {found.content() for found in archives.members(path)} == {b"x"}


def test_a_header_that_claims_to_be_huge_is_not_read_into_memory(tmp_path):
    made = member("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=2**30)
    (tmp_path / "a.tar").write_bytes(made.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(BenchError, match="one of its headers is too large"):
        list(archives.members(tmp_path / "a.tar"))


def test_a_large_member_is_read_whole(tmp_path):
    data = np.random.default_rng(0).bytes(archives.FREE + 5)
    (tmp_path / "ILSVRC2012_img_val.tar").write_bytes(
        tar(tmp_path / "a.tar", {"a.png": data}).read_bytes()
    )
    assert dict(ImagenetVal(home=tmp_path).read(["a"])) == {"a": data}


def test_the_report_counts_old_manifests_too():
    part = {"excluded": {"a": "x"}}
    both = {"train": part, "test": part}
    for given, count in ((both, 2), (both | {"left_out": {"b": "y"}}, 3)):
        (data,) = make_manifest(datasets={"set": given}).datasets.values()
        assert report._left_out(data) == f"; {count} left out (named in manifest.json)"
