"""Archives that nobody trusts: what is honest is unpacked whole, and of the rest nothing is written
anywhere."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
from contextlib import suppress

import pytest

from bench.errors import BenchError
from bench.fetch import archives
from bench.fetch.archives import Limits, unpack

FILES = {
    "lfw/A/A_0001.jpg": random.Random(0).randbytes(3000),
    "lfw/B/B_0001.jpg": b"",
    "lfw/read me.txt": b"text" * 400,
    "lfw/blocks.bin": bytes(1024),
}


def tar(path, files=FILES, mode="w", more=()):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in more:
            archive.addfile(info)
    return path


def zipped(path, files=FILES, how=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def special(kind, name="bad", target="/etc/passwd"):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def found(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.fixture
def here(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path


def refused(here, path, said, **limits):
    """The line that says why; and nothing was written."""
    before = sorted(here.rglob("*"))
    with pytest.raises(BenchError, match=said) as caught:
        unpack(path, here / "out" / "set", Limits(**limits) if limits else None)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    (here / "out").rmdir()  # empty
    assert sorted(here.rglob("*")) == before


MAKERS = {
    "tar": lambda p: tar(p),
    "tgz": lambda p: tar(p, mode="w:gz"),
    "tar.bz2": lambda p: tar(p, mode="w:bz2"),
    "tar.xz": lambda p: tar(p, mode="w:xz"),
    "zip": lambda p: zipped(p),
    "stored.zip": lambda p: zipped(p, how=zipfile.ZIP_STORED),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_an_honest_archive_is_unpacked_whatever_its_name(here, kind):
    path = MAKERS[kind](here / "in" / "download")
    assert unpack(path, here / "deep" / "set") == here / "deep" / "set"
    assert found(here / "deep" / "set") == FILES
    assert [p.name for p in (here / "deep").iterdir()] == ["set"]
    assert (here / "deep" / "set").stat().st_mode & 0o055 == 0o055


def test_what_tar_itself_writes_is_unpacked(here):
    for name, data in FILES.items():
        file = here / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    long = here / "in" / ("d" * 120) / ("f" * 120)
    long.parent.mkdir()
    long.write_bytes(b"long")
    subprocess.run(["tar", "-czf", here / "a.tgz", "-C", here / "in", "."], check=True)
    assert found(unpack(here / "a.tgz", here / "set")) == {
        **FILES,
        f"{'d' * 120}/{'f' * 120}": b"long",
    }


def test_a_folder_that_holds_something_is_left_alone(here):
    (here / "set").mkdir()
    (here / "set" / "mine").write_text("mine")
    with pytest.raises(BenchError, match="is not empty"):
        unpack(tar(here / "a.tar"), here / "set")
    assert found(here / "set") == {"mine": b"mine"}
    (here / "set" / "mine").unlink()
    assert found(unpack(here / "a.tar", here / "set")) == FILES


@pytest.mark.parametrize(
    "name",
    [
        "../out.jpg",
        "/out.jpg",
        "a/../../out.jpg",
        "..",
        "a//b.jpg",
        "a\\..\\b.jpg",
        "C:/b.jpg",
        "a\nb.jpg",
    ],
)
@pytest.mark.parametrize("make", [tar, zipped])
def test_no_name_leads_outside(here, make, name):
    refused(
        here, make(here / "in" / "a", FILES | {name: b"x"}), "is refused: .* is no name inside it"
    )


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.GNUTYPE_SPARSE,
    ],
)
def test_links_and_devices_are_refused(here, kind):
    refused(
        here, tar(here / "in" / "a", more=[special(kind)]), "is refused: 'bad' is no plain file"
    )


def test_a_link_in_a_zip_is_refused(here):
    info = zipfile.ZipInfo("bad")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(here / "in" / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    refused(here, here / "in" / "a.zip", "is refused: 'bad' is no plain file")


@pytest.mark.parametrize(
    ("name", "data"),
    [("a/model.PKL", b"x"), ("weights.pth", b"x"), ("photo.jpg", pickle.dumps({"a": 1}))],
)
def test_a_pickle_is_refused(here, name, data):
    refused(
        here, tar(here / "in" / "a", {**FILES, name: data}), f"is refused: '{name}' is a pickle"
    )


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("make", [tar, zipped])
def test_two_files_of_one_name_are_refused(here, make):
    path = make(here / "in" / "a", {"a/b": b"1", "./a/b": b"2"})
    refused(here, path, "two of its members are './a/b'")
    refused(here, make(here / "in" / "b", {"a": b"1", "a/b": b"2"}), "two of its members are 'a/b'")


@pytest.mark.parametrize(
    "make",
    [lambda *a: tar(*a, "w:gz"), lambda *a: tar(*a, "w:bz2"), zipped],
    ids=["gz", "bz2", "zip"],
)
def test_bombs_are_refused(here, make):
    refused(
        here,
        make(here / "in" / "a", {"zeros": bytes(2**27)}),
        "unpacks to more than 100 times its size, as a .* bomb does",
    )


def test_a_bomb_of_overlapping_files_is_refused(here):
    """Many entries of one central directory that lead to the same packed bytes."""
    path = zipped(here / "in" / "a", {"00000": bytes(2**20)})
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    entry, end = data[start : data.index(b"PK\x05\x06")], data[data.index(b"PK\x05\x06") :]
    entries = b"".join(entry.replace(b"00000", f"{i:05d}".encode()) for i in range(400))
    end = end[:8] + struct.pack("<HHII", 400, 400, len(entries), start) + end[20:]
    path.write_bytes(data[:start] + entries + end)
    refused(here, path, "as a decompression bomb does")


def test_limits_are_kept(here):
    path = tar(here / "in" / "a")
    refused(here, path, "unpacks to more than 4,000 bytes", size=4000)
    refused(here, path, "holds more than 3 files", members=3)
    refused(here, zipped(here / "in" / "b"), "unpacks to more than 4,000 bytes", size=4000)


def test_a_header_that_claims_to_be_huge_is_not_read_into_memory(here):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**30
    (here / "in" / "a").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(4096)))
    refused(here, here / "in" / "a", "one of its headers is too large")


@pytest.mark.parametrize("kind", MAKERS)
def test_an_archive_that_is_cut_anywhere_is_damaged(here, kind):
    whole = MAKERS[kind](here / "in" / "a")
    data = whole.read_bytes()
    needed = len(data)
    if kind == "tar":  # it ends with much padding
        with tarfile.open(whole) as archive:
            needed = archive.getmember("lfw/blocks.bin").offset_data + 1024
    for keep in [0, 1, 7, *random.Random(1).sample(range(8, needed), 25), needed - 1, needed]:
        if keep == len(data):
            continue
        whole.write_bytes(data[:keep])
        refused(here, whole, r"is damaged or cut short \(.+\): fetch it again")


@pytest.mark.parametrize("kind", [k for k in MAKERS if k != "tar"])
def test_a_changed_byte_of_the_content_is_never_unpacked_silently(here, kind):
    """Plain tar has no checksum of contents: a download's own digest is for that."""
    whole = MAKERS[kind](here / "in" / "a")
    data = whole.read_bytes()
    for place in random.Random(2).sample(range(len(data)), 60):
        whole.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        target = here / f"set-{place}"
        with suppress(BenchError):  # else it was a time, a system's number or an attribute
            unpack(whole, target)
        assert not target.exists() or found(target) == FILES


NO_ARCHIVES = {
    "empty": b"",
    "a page": b"<html>404 not found</html>" * 40,
    "gzip": gzip.compress(b"no tar" * 300),
    "bzip2": bz2.compress(b"x"),
    "xz": lzma.compress(b"x"),
    "half a zip": b"PK\x03\x04 and no more",
}


@pytest.mark.parametrize("data", NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_what_is_no_archive_is_said(here, data):
    (here / "in" / "a").write_bytes(data)
    refused(here, here / "in" / "a", "is damaged or cut short")


def test_a_password_is_said(here):
    data = zipped(here / "in" / "a", {"a": b"x"}).read_bytes()
    at = data.index(b"PK\x01\x02") + 8
    (here / "in" / "a").write_bytes(
        data[:6] + b"\x01\x00" + data[8:at] + b"\x01\x00" + data[at + 2 :]
    )
    refused(here, here / "in" / "a", "password")


def test_a_missing_archive_and_a_full_disk_are_one_line(here):
    with pytest.raises(BenchError, match=r"can't unpack .*\(No such file"):
        unpack(here / "nothing", here / "set")
    disk = here / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    ).returncode:
        pytest.skip("no tmpfs can be mounted here")
    try:
        with pytest.raises(BenchError, match="too little room to unpack"):
            unpack(tar(here / "a", {"a": bytes(2**18)}), disk / "set", Limits(reserve=0))
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_unpacking_leaves_some_of_the_disk_free(here):
    with pytest.raises(BenchError, match=r"too little room to unpack .*make room"):
        unpack(tar(here / "a"), here / "set", Limits(reserve=2**60))
    assert [path.name for path in here.iterdir() if path.name != "in"] == ["a"]
    archives.inspect(here / "a", Limits(reserve=2**60))


def test_memory_does_not_grow_with_the_archive(here):
    """80 MB of one file, and 20,000 files: in a process that may use 60 MB more than it does at its
    start."""
    big = tar(here / "in" / "big", {"a": random.Random(3).randbytes(2**20) * 80})
    many = tar(here / "in" / "many", {f"{i % 100}/{i}": b"" for i in range(20_000)})
    code = """
import resource, sys
from pathlib import Path
from bench.fetch import archives
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for name in sys.argv[1:]: archives.unpack(Path(name), Path(name + "-set"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, big, many], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) * 1024 < 20e6
    assert len(found(here / "in" / "many-set")) == 20_000
    assert archives.CHUNK <= 2**20


@pytest.mark.parametrize(
    "make",
    [
        lambda p: tar(p, {}, "w:gz", [special(tarfile.DIRTYPE, f"d{i}") for i in range(20)]),
        lambda p: zipped(p, {f"d{i}/": b"" for i in range(20)}),
    ],
    ids=["tgz", "zip"],
)
def test_folders_count_as_members(here, make):
    refused(here, make(here / "in" / "a"), "holds more than 10 files", members=10)
