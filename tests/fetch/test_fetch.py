"""`bench data fetch` from a server on this machine, in the official layouts; and what must not come
of bad ones."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import pickle
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from bench.contracts.execution import Quiet
from bench.errors import BenchError
from bench.fetch import archives, data_home, downloads
from bench.fetch.web import PIECE, Limits
from bench.plugins.loader import registry

BODY = np.random.default_rng(0).bytes(3 * 2**20 + 77)
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


pytestmark = pytest.mark.usefixtures("quick")


class Heard(Quiet):
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def fetch(urls, path, digest, progress, limits=None):
    """As the callers of `downloads.fetch` do it: alone, and what was fetched is put in place before
    the block ends."""
    kept = path.with_name("kept")
    with downloads.alone(path, progress):
        found = downloads.fetch(urls, path, digest, progress, limits)
        path.rename(kept)
    kept.rename(path)
    return found


def photograph(number, size=(64, 64), form="JPEG"):
    levels = np.random.default_rng(number).integers(0, 255, (*size, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, form)
    return stream.getvalue()


def tar(files, mode="w", links=()):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        for name, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return stream.getvalue()


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def faces(count=100):
    return tar(
        {f"lfw-deepfunneled/P_{i}/P_{i}_0001.jpg": photograph(i, (250, 250)) for i in range(count)},
        "w:gz",
    )


def left(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def test_a_file_is_fetched_and_nothing_else_stays(site, path):
    site.files["/body.bin"] = BODY
    found = fetch([f"{site.url}/body.bin"], path, DIGEST, Quiet())
    assert path.read_bytes() == BODY
    assert (found.sha256, found.url) == (DIGEST, f"{site.url}/body.bin")
    assert left(path.parent) == ["body.bin"]


@pytest.mark.parametrize("digest", [DIGEST, ""])
def test_what_is_cut_off_goes_on_where_it_was(site, path, digest):
    site.files["/body.bin"] = BODY
    site.cuts["/body.bin"] = [2**20, PIECE]
    fetch([f"{site.url}/body.bin"], path, digest, Quiet())
    assert path.read_bytes() == BODY
    assert [asked for _, asked in site.asked] == ["", f"bytes={2**20}-", f"bytes={2**20 + PIECE}-"]


def test_a_half_finished_file_of_an_earlier_try_goes_on(site, path):
    site.files["/body.bin"] = BODY
    site.cuts["/body.bin"] = [PIECE, *[0] * downloads.TRIES]
    with pytest.raises(BenchError, match=r"can't fetch body\.bin") as caught:
        fetch([f"{site.url}/body.bin"], path, DIGEST, Quiet())
    assert len(str(caught.value).splitlines()) == 1
    assert not path.exists()
    assert left(path.parent) == [".body.bin.part", ".body.bin.part.json"]
    site.asked.clear()
    fetch([f"{site.url}/body.bin"], path, DIGEST, Quiet())
    assert site.asked == [("/body.bin", f"bytes={PIECE}-")]
    assert path.read_bytes() == BODY
    assert left(path.parent) == ["body.bin"]


def test_a_file_that_changed_meanwhile_is_not_mixed(site, path):
    site.files["/body.bin"] = BODY
    site.cuts["/body.bin"] = [PIECE, *[0] * downloads.TRIES]
    with pytest.raises(BenchError, match=r"can't fetch body\.bin: "):
        fetch([f"{site.url}/body.bin"], path, "", Quiet())
    site.files["/body.bin"], site.tag = BODY[::-1], '"2"'
    fetch([f"{site.url}/body.bin"], path, "", Quiet())
    assert path.read_bytes() == BODY[::-1]


@pytest.mark.parametrize(
    ("ranges", "tag"), [(False, '"1"'), (True, "")], ids=["no ranges", "no tag and no digest"]
)
def test_without_knowing_that_the_rest_belongs_to_it_it_begins_anew(site, path, ranges, tag):
    site.files["/body.bin"], site.ranges, site.tag = BODY, ranges, tag
    site.cuts["/body.bin"] = [2**20]
    fetch([f"{site.url}/body.bin"], path, "", Quiet())
    assert path.read_bytes() == BODY


def test_a_part_that_is_longer_than_the_file_begins_anew(site, path):
    site.files["/body.bin"] = BODY
    path.parent.mkdir(parents=True)
    (path.parent / ".body.bin.part").write_bytes(BODY + b"more")
    (path.parent / ".body.bin.part.json").write_text(
        json.dumps({"url": f"{site.url}/body.bin", "mark": '"1"'})
    )
    fetch([f"{site.url}/body.bin"], path, DIGEST, Quiet())
    assert path.read_bytes() == BODY


def test_mirrors_are_tried_in_order(site, path):
    site.files |= {"/wrong": BODY[:-1] + b"?", "/right": BODY, "/never": BODY}
    heard = Heard()
    urls = [f"{site.url}/{name}" for name in ("absent", "wrong", "right", "never")]
    assert fetch(urls, path, DIGEST, heard).url == urls[2]
    assert path.read_bytes() == BODY
    assert [line.split(": ", 1)[0] for line in heard.lines] == [
        f"can't fetch {url}" for url in urls[:2]
    ]
    assert "404" in heard.lines[0]
    assert heard.lines[1].endswith(f"what it has is another file: its digest is not {DIGEST}")
    assert "/never" not in [asked for asked, _ in site.asked]


def test_a_redirect_to_a_mirror_is_followed(site, path):
    site.files["/elsewhere"] = BODY
    site.moved["/body.bin"] = f"{site.url}/elsewhere"
    fetch([f"{site.url}/body.bin"], path, DIGEST, Quiet())
    assert path.read_bytes() == BODY


def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(site, path):
    site.files |= {"/busy": BODY, "/refused": BODY}
    site.statuses |= {"/busy": [503, 429], "/refused": [403]}
    fetch([f"{site.url}/refused", f"{site.url}/busy"], path, DIGEST, Quiet())
    assert [asked for asked, _ in site.asked] == ["/refused", "/busy", "/busy", "/busy"]


@pytest.mark.parametrize(
    ("url", "digest", "said"),
    [
        ("ftp://example.org/a", "", "http:// or https://"),
        ("file:///etc/passwd", "", "http:// or https://"),
        ("http://127.0.0.1:9/a", "md5:12", "is no digest"),
        ("http://127.0.0.1:9/a", f"md5:{'0' * 64}", "is no digest"),
    ],
)
def test_what_can_not_be_fetched_is_said_before_anything_is_done(path, url, digest, said):
    with pytest.raises(BenchError, match=said):
        downloads.fetch([url], path, digest, Quiet())
    assert not path.parent.exists()


def test_nobody_listens(path):
    with pytest.raises(
        BenchError, match=r"can't fetch body\.bin: http://127\.0\.0\.1:9/a: "
    ) as caught:
        fetch(["http://127.0.0.1:9/a"], path, "", Quiet())
    assert len(str(caught.value).splitlines()) == 1
    assert left(path.parent) == []


def test_a_wrong_digest_leaves_nothing(site, path):
    site.files["/body.bin"] = BODY
    with pytest.raises(BenchError, match="another file"):
        fetch([f"{site.url}/body.bin"], path, f"md5:{'0' * 32}", Quiet())
    assert left(path.parent) == []


def test_a_file_that_does_not_fit_is_not_begun(site, path):
    site.files["/body.bin"] = BODY
    with pytest.raises(BenchError, match="make room"):
        fetch([f"{site.url}/body.bin"], path, "", Quiet(), Limits(reserve=2**60))
    assert not path.exists()


def test_lfw_is_fetched_and_run(command, site, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "home"))
    site.files["/lfw-deepfunneled.tgz"] = faces()
    status, out, err = command("data", "fetch", "lfw", "--url", f"{site.url}/lfw-deepfunneled.tgz")
    assert (status, out) == (0, f"lfw: {tmp_path / 'home' / 'lfw-deepfunneled.tgz'}\n")
    assert "is not the official archive" in err
    assert left(tmp_path / "home") == ["fetched.json", "lfw-deepfunneled.tgz"]
    status, out, err = command(
        "run",
        "--dataset",
        "lfw",
        "-m",
        "grey,mean-noise",
        "--preset",
        "tiny",
        "--store",
        "store",
        "--figures",
        "none",
        "--out",
        "run",
        "--metrics",
        "psnr,energy-score",
    )
    assert status == 0, err
    manifest = json.loads(Path("run/manifest.json").read_text())
    assert {
        part: manifest["datasets"]["lfw"][part]["photographs"] for part in ("train", "test")
    } == {"train": 90, "test": 10}
    status, out, err = command("data", "check", "lfw", "--store", "store")
    assert status == 1
    assert "photographs: 100 instead of 13233" in err
    assert "published digest" in err
    status, out, err = command("data", "fetch", "lfw", "--url", f"{site.url}/lfw-deepfunneled.tgz")
    assert status == 2
    assert "is there already" in err


@pytest.mark.parametrize(
    ("stopped", "raised", "says"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            BenchError,
            r"can't unpack .* \(No space left on device\)",
        ),
        (KeyboardInterrupt("Ctrl-C"), KeyboardInterrupt, "Ctrl-C"),
    ],
    ids=["full", "ctrl-c"],
)
@pytest.mark.parametrize("digest", ["", "its own"])
def test_a_whole_file_that_could_not_be_unpacked_is_not_fetched_again(
    site, tmp_path, monkeypatch, stopped, raised, says, digest
):
    home, content = (
        tmp_path / "home",
        zipped({"church/a.jpg": photograph(0), "church/b.jpg": photograph(1)}),
    )
    site.files["/church.zip"] = content
    digest = digest and f"sha256:{hashlib.sha256(content).hexdigest()}"

    def stop(*_):
        raise stopped

    with monkeypatch.context() as patched:
        patched.setattr(archives._Room, "take_all", stop)
        with pytest.raises(raised, match=says):
            data_home.fetch("church", home, Quiet(), [f"{site.url}/church.zip"], digest)
    part, note = sorted(path for path in home.rglob("*") if path.is_file())
    assert (part.read_bytes(), note.name) == (content, f"{part.name}.json")
    site.asked.clear()
    place = data_home.fetch("church", home, Quiet(), [f"{site.url}/church.zip"], digest)
    assert site.asked == [("/church.zip", f"bytes={len(content)}-")]
    assert left(place / "church") == ["a.jpg", "b.jpg"]
    assert left(home)[-1] == "fetched.json"
    assert not list(home.rglob(".*"))


def stopped_later(urls, path):
    with downloads.alone(path, Quiet()):
        downloads.fetch(urls, path, "", Quiet())
        raise ZeroDivisionError("later")


def test_a_whole_file_is_fetched_again_where_another_is_there_now(site, tmp_path, path):
    site.files["/body.bin"] = BODY
    with pytest.raises(ZeroDivisionError, match="later"):
        stopped_later([f"{site.url}/body.bin"], path)
    assert left(path.parent) == [".body.bin.part", ".body.bin.part.json"]
    site.files["/body.bin"], site.tag = BODY[::-1], '"2"'
    fetch([f"{site.url}/body.bin"], path, "", Quiet())
    assert path.read_bytes() == BODY[::-1]
    assert left(path.parent) == ["body.bin"]


def test_church_is_unpacked_from_its_zip(command, site, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "home"))
    made = tmp_path / "made" / "church_outdoor_train_lmdb"
    made.mkdir(parents=True)
    with (
        lmdb.open(str(made), map_size=1 << 24) as database,
        database.begin(write=True) as transaction,
    ):
        for i in range(20):
            transaction.put(f"{i:040x}".encode(), photograph(i, form="WEBP"))
    site.files["/church.zip"] = zipped(
        {f"church_outdoor_train_lmdb/{p.name}": p.read_bytes() for p in made.iterdir()}
    )
    status, out, err = command("data", "fetch", "church", "--url", f"{site.url}/church.zip")
    assert status == 0, err
    assert left(tmp_path / "home") == [
        "church_outdoor_train_lmdb",
        "church_outdoor_train_lmdb/data.mdb",
        "church_outdoor_train_lmdb/lock.mdb",
        "fetched.json",
    ]
    status, out, err = command("data", "prepare", "church", "--store", "store")
    assert status == 0, err
    assert [line.split()[:3] for line in out.splitlines()[1:]] == [
        ["church", "train", "18"],
        ["church", "test", "2"],
    ]
    status, out, err = command("data", "where", "church")
    assert out == f"{tmp_path / 'home' / 'church_outdoor_train_lmdb'}\n"
    _, out, _ = command("data", "check", "church", "--store", "store")
    assert re.search("as it was fetched +the same", out)
    data = tmp_path / "home" / "church_outdoor_train_lmdb" / "data.mdb"
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    status, out, err = command("data", "check", "church", "--store", "store")
    assert status != 0
    assert "data.mdb is not what was written" in out + err


@pytest.mark.parametrize("how", ["url", "file"])
def test_imagenet_takes_the_users_own_file(command, site, tmp_path, monkeypatch, how):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "home"))
    content = tar({f"ILSVRC2012_val_{i:08}.JPEG": photograph(i) for i in range(1, 31)})
    own = tmp_path / "mine.tar"
    own.write_bytes(content)
    site.files["/val.tar"] = content
    status, out, err = command("data", "fetch", "imagenet-val")
    assert status == 2
    assert "https://image-net.org" in err
    assert not (tmp_path / "home").exists()
    status, out, err = command(
        "data", "fetch", "imagenet-val", f"--{how}", own if how == "file" else f"{site.url}/val.tar"
    )
    assert status == 0, err
    assert own.read_bytes() == content
    assert (tmp_path / "home" / "ILSVRC2012_img_val.tar").read_bytes() == content
    status, out, err = command("data", "prepare", "imagenet-val", "--store", "store")
    assert [line.split()[2] for line in out.splitlines()[1:]] == ["27", "3"]


BAD = {
    "outside": (lambda: tar({"../outside.jpg": b"x"}, "w:gz"), "is no name inside it"),
    "absolute": (lambda: tar({"/outside.jpg": b"x"}, "w:gz"), "is no name inside it"),
    "link": (lambda: tar({}, "w:gz", [("a.jpg", "/etc/passwd")]), "is no plain file"),
    "bomb": (lambda: tar({"a.jpg": bytes(100 * 2**20)}, "w:gz"), "decompression bomb"),
    "cut": (lambda: faces(3)[:-200], "damaged or cut short"),
    "pickle": (lambda: tar({"a.jpg": pickle.dumps([1])}, "w:gz"), "is a pickle"),
    "named pickle": (lambda: tar({"a.pkl": b"x"}, "w:gz"), "is a pickle"),
    "page": (lambda: b"<html>moved</html>" * 100, "damaged or cut short"),
}


@pytest.mark.parametrize("way", ["url", "file"])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_archive_is_one_line_and_leaves_nothing(
    command, site, tmp_path, monkeypatch, kind, way
):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "home"))
    content, said = BAD[kind][0](), BAD[kind][1]
    own = tmp_path / "mine.tgz"
    own.write_bytes(content)
    site.files["/lfw.tgz"] = content
    for name in ("lfw", "church"):
        status, out, err = command(
            "data", "fetch", name, f"--{way}", own if way == "file" else f"{site.url}/lfw.tgz"
        )
        assert (status, out) == (2, "")
        last = err.splitlines()[-1]
        assert last.startswith("bench: ")
        assert said in last
        assert "Traceback" not in err
        assert left(tmp_path / "home") == []
    assert left(tmp_path) == ["mine.tgz"]
    assert own.read_bytes() == content


def test_a_wrong_digest_is_one_line_and_leaves_nothing(command, site, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "home"))
    site.files["/lfw.tgz"] = faces(3)
    wrong = f"sha256:{'0' * 64}"
    status, _, err = command(
        "data", "fetch", "lfw", "--url", f"{site.url}/lfw.tgz", "--digest", wrong
    )
    assert status == 2
    assert err.splitlines()[-1].endswith(f"what it has is another file: its digest is not {wrong}")
    assert left(tmp_path / "home") == []


def test_the_official_mirrors_demand_the_published_digest_and_name_the_other_set(
    site, tmp_path, monkeypatch
):
    spec = registry().get("datasets", "lfw")
    site.files["/lfw.tgz"] = faces(3)
    here = replace(spec.download, urls=(f"{site.url}/lfw.tgz",))
    monkeypatch.setitem(registry().specs["datasets"], "lfw", replace(spec, download=here))
    with pytest.raises(
        BenchError,
        match=f"its digest is not {here.digest}; `bench data fetch lfw-funneled` gets a similar set",
    ):
        data_home.fetch("lfw", tmp_path / "home", Quiet())
    official = replace(here, digest=f"md5:{hashlib.md5(site.files['/lfw.tgz']).hexdigest()}")
    monkeypatch.setitem(registry().specs["datasets"], "lfw", replace(spec, download=official))
    heard = Heard()
    data_home.fetch("lfw", tmp_path / "home", heard)
    assert heard.lines == []
    assert (
        json.loads((tmp_path / "home" / "fetched.json").read_text())["datasets"]["lfw"]["official"]
        is True
    )


def test_funneled_faces_are_another_set(command, site, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "home"))
    site.files["/f.tgz"] = tar(
        {f"lfw_funneled/P_{i}/P_{i}_0001.jpg": photograph(i, (250, 250)) for i in range(3)}, "w:gz"
    )
    status, _, err = command("data", "fetch", "lfw-funneled", "--url", f"{site.url}/f.tgz")
    assert status == 0, err
    status, _, err = command("data", "prepare", "lfw", "--store", "store")
    assert status == 2
    assert "`bench data fetch lfw`" in err
    status, out, _ = command("data", "prepare", "lfw-funneled", "--store", "store")
    assert status == 0
    assert out.splitlines()[1].startswith("lfw-funneled  train")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["fetch", "lfwx"], "did you mean 'lfw'?"),
        (["fetch", "demo"], "nothing to fetch"),
        (["info", "nope"], "unknown dataset"),
        (["where", "lfw"], "is not in the data home"),
        (["where", "demo"], "is at no place"),
        (["fetch", "lfw", "--file", "nope.tgz"], "can't read nope.tgz"),
        (["fetch", "lfw", "--url", "nope.tgz"], "http:// or https://"),
        (["fetch", "lfw", "--url", "http://a", "--file", "b"], "exclude one another"),
        (["check", "lfw"], "is not in the data home"),
    ],
)
def test_bad_input(command, tmp_path, monkeypatch, arguments, said):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "home"))
    status, out, err = command("data", *arguments)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "home").exists()


def test_a_data_home_that_can_not_be_written(command, site, tmp_path):
    (tmp_path / "home").write_text("a file")
    status, _, err = command(
        "data", "fetch", "lfw", "--url", f"{site.url}/x", "--data-home", tmp_path / "home"
    )
    assert status == 2
    assert "can't be written" in err


def test_list_and_info_say_what_is_here(command, tmp_path):
    (tmp_path / "home" / "church").mkdir(parents=True)
    _, out, _ = command("data", "list", "--data-home", "home", "--json")
    here = {row["name"]: row["here"] for row in json.loads(out)}
    assert (here["church"], here["lfw"], here["demo"]) == ("yes", "no", "yes")
    _, out, _ = command("data", "info", "lfw", "--data-home", "home", "--json")
    assert json.loads(out)["digest"] == "md5:68331da3eb755a505a502b5aacb3c201"
    _, out, _ = command("data", "info", "lfw")
    assert "citation" in out


def test_a_link_to_a_file_is_followed(command, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "home"))
    (tmp_path / "mine.tar").write_bytes(
        tar({f"ILSVRC2012_val_{i:08}.JPEG": photograph(i) for i in range(1, 4)})
    )
    (tmp_path / "link.tar").symlink_to("mine.tar")
    status, _, err = command("data", "fetch", "imagenet-val", "--file", "link.tar")
    assert status == 0, err
    kept = tmp_path / "home" / "ILSVRC2012_img_val.tar"
    assert not kept.is_symlink()
    assert kept.read_bytes() == (tmp_path / "mine.tar").read_bytes()


def test_two_processes_that_fetch_the_same_wait_for_one_another(site, tmp_path):
    site.files["/lfw.tgz"] = faces(20)
    fetch = [
        sys.executable,
        "-P",
        "-m",
        "bench.cli",
        "data",
        "fetch",
        "lfw",
        "--url",
        f"{site.url}/lfw.tgz",
        "--data-home",
        str(tmp_path / "home"),
    ]
    both = [subprocess.Popen(fetch, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate()[1] for one in both]
    assert sorted(one.returncode for one in both) == [0, 2], said
    assert all("Traceback" not in text for text in said)
    assert any("is there already" in text for text in said), said
    assert left(tmp_path / "home") == ["fetched.json", "lfw-deepfunneled.tgz"]
