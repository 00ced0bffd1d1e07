"""LFW, LSUN church and ILSVRC validation, in small archives and folders of their official layouts."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import lmdb
import pytest

from bench.datasets.church import Church
from bench.datasets.imagenet_val import ImagenetVal
from bench.datasets.lfw import Lfw
from bench.errors import BenchError

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
FACES = {
    f"lfw-deepfunneled/{n[:-5]}/{n}.jpg": os.urandom(3000)
    for n in ("Bo_Li_0001", "Bo_Li_0002", "Al_Ek_0001")
}
VALIDATION = {f"ILSVRC2012_val_{i:08}.JPEG": os.urandom(3000) for i in (1, 2, 3)}


def write_tar(path: Path, files: dict[str, bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def write_lmdb(path: Path, files: dict[bytes, bytes]) -> Path:
    with (
        lmdb.open(str(path), map_size=1 << 24) as database,
        database.begin(write=True) as transaction,
    ):
        for key, value in files.items():
            transaction.put(key, value)
    return path


def stems(files: dict[str, bytes]) -> dict[str, bytes]:
    return {Path(name).stem: data for name, data in files.items()}


def test_lfw_archive(tmp_path):
    others = {"lfw-deepfunneled/readme.txt": b"", "lfw-deepfunneled/Bo_Li/._Bo_Li_0001.jpg": b""}
    write_tar(tmp_path / "lfw-deepfunneled.tgz", FACES | others, "w:gz")
    lfw = Lfw(home=tmp_path)
    assert lfw.files() == ["Al_Ek_0001", "Bo_Li_0001", "Bo_Li_0002"]
    assert dict(lfw.read(lfw.files())) == stems(FACES)
    assert [name for name, _ in lfw.read(["Al_Ek_0001", "Bo_Li_0001"])] == [
        "Bo_Li_0001",
        "Al_Ek_0001",
    ]
    assert os.listdir(tmp_path) == ["lfw-deepfunneled.tgz"]


@pytest.mark.parametrize("name", ["lfw-deepfunneled", "lfw"])
def test_lfw_folder_has_the_same_ids(tmp_path, name):
    write_folder(tmp_path, FACES)
    (tmp_path / "lfw-deepfunneled").rename(tmp_path / name)
    lfw = Lfw(home=tmp_path)
    assert dict(lfw.read(lfw.files())) == stems(FACES)


def test_two_faces_of_one_stem_are_refused(tmp_path):
    write_folder(tmp_path / "lfw", {"a/x.jpg": b"", "b/x.png": b""})
    with pytest.raises(BenchError, match=r"two images .* 'x'"):
        Lfw(home=tmp_path).files()


def test_a_cut_archive_is_read_up_to_the_cut(tmp_path):
    """A few photographs from the front are found in one pass that stops; the rest is reported."""
    whole = write_tar(tmp_path / "lfw-deepfunneled.tgz", FACES, "w:gz").read_bytes()
    (tmp_path / "lfw-deepfunneled.tgz").write_bytes(whole[:7000])
    assert [name for name, _ in Lfw(home=tmp_path).read(["Bo_Li_0001"])] == ["Bo_Li_0001"]
    with pytest.raises(BenchError, match="damaged or cut short"):
        list(Lfw(home=tmp_path).read(["Al_Ek_0001"]))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.2, 0.5, 0.9, 0.99])
def test_a_cut_lfw_archive_is_one_clear_line(tmp_path, share):
    path = write_tar(tmp_path / "lfw-deepfunneled.tgz", FACES, "w:gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(
        BenchError, match=r"lfw-deepfunneled\.tgz is damaged or cut short \(\w.+\): fetch it again$"
    ):
        Lfw(home=tmp_path).files()


def test_flipped_bits_and_a_web_page_are_one_clear_line(tmp_path):
    path = write_tar(tmp_path / "lfw-deepfunneled.tgz", FACES, "w:gz")
    whole = path.read_bytes()
    for broken in (whole[:10] + b"\xff" * 50 + whole[60:], b"<!doctype html><title>404</title>"):
        path.write_bytes(broken)
        with pytest.raises(BenchError, match="damaged or cut short"):
            Lfw(home=tmp_path).files()


def test_imagenet_tar(tmp_path):
    write_tar(tmp_path / "ILSVRC2012_img_val.tar", VALIDATION, "w")
    imagenet = ImagenetVal(home=tmp_path)
    assert imagenet.files() == [f"ILSVRC2012_val_0000000{i}" for i in (1, 2, 3)]
    assert dict(imagenet.read(imagenet.files())) == stems(VALIDATION)


# a member is a header of 512 bytes and 3,000 bytes in six blocks: cuts within data, header, and
# between members
@pytest.mark.parametrize("size", [100, 512, 3000, 3584, 3700, 7168, 10752])
def test_a_cut_imagenet_tar_is_noticed(tmp_path, size):
    path = write_tar(tmp_path / "ILSVRC2012_img_val.tar", VALIDATION, "w")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BenchError, match="damaged or cut short"):
        ImagenetVal(home=tmp_path).files()


def test_a_broken_header_is_not_the_end_of_the_tar(tmp_path):
    path = write_tar(tmp_path / "ILSVRC2012_img_val.tar", VALIDATION, "w")
    whole = bytearray(path.read_bytes())
    whole[3584 + 10] ^= 1
    path.write_bytes(whole)
    with pytest.raises(BenchError, match="damaged or cut short"):
        ImagenetVal(home=tmp_path).files()


@pytest.mark.parametrize("name", ["imagenet-val", "ILSVRC2012_img_val", "val"])
@pytest.mark.parametrize("layout", ["", "n01440764/"])
def test_imagenet_folder_flat_or_by_class_has_the_same_ids(tmp_path, name, layout):
    write_folder(tmp_path / name, {layout + file: data for file, data in VALIDATION.items()})
    imagenet = ImagenetVal(home=tmp_path)
    assert dict(imagenet.read(imagenet.files())) == stems(VALIDATION)


def test_other_names_keep_their_class(tmp_path):
    write_folder(tmp_path / "val", {"tench/1.JPEG": b"", "goldfish/1.JPEG": b""})
    assert ImagenetVal(home=tmp_path).files() == ["goldfish/1", "tench/1"]


def test_church_lmdb(tmp_path):
    values = {f"{i:040x}".encode(): os.urandom(5000) for i in range(20)}
    path = write_lmdb(tmp_path / "church_outdoor_train_lmdb", values)
    before = {p.name: p.stat().st_mtime_ns for p in path.iterdir()}
    church = Church(home=tmp_path)
    assert church.files() == sorted(key.decode() for key in values)
    assert {key.encode(): data for key, data in church.read(church.files())} == values
    assert [name for name, _ in church.read([f"{7:040x}"])] == [f"{7:040x}"]
    assert {p.name: p.stat().st_mtime_ns for p in path.iterdir()} == before


def test_a_database_is_read_by_one_reader_at_a_time(tmp_path):
    """LMDB allows one environment a process; a second reader is told so, and an abandoned first one
    lets go."""
    write_lmdb(tmp_path / "church_outdoor_train_lmdb", {b"a": b"1", b"b": b"2"})
    church = Church(home=tmp_path)
    first = church.read("ab")
    assert next(first) == ("a", b"1")
    with pytest.raises(BenchError, match="already open in this process"):
        list(church.read("ab"))
    del first
    assert dict(church.read("ab")) == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize("size", [0, 100, 20_000])
def test_a_cut_or_foreign_database_is_one_clear_line(tmp_path, size):
    path = (
        write_lmdb(
            tmp_path / "church_outdoor_train_lmdb", {b"%d" % i: bytes(9000) for i in range(9)}
        )
        / "data.mdb"
    )
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BenchError, match="damaged or cut short") as error:
        Church(home=tmp_path).files()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["church", "church_outdoor_train", "church_outdoor"])
def test_church_folder(tmp_path, name):
    write_folder(tmp_path / name, {"0/1/a.webp": b"a", "b.jpg": b"b", "index.csv": b"x"})
    church = Church(home=tmp_path)
    assert dict(church.read(church.files())) == {"0/1/a.webp": b"a", "b.jpg": b"b"}


@pytest.mark.parametrize(
    ("kind", "wish"), [(Lfw, "lfw-deepfunneled.tgz"), (Church, "lmdb"), (ImagenetVal, ".tar")]
)
def test_what_is_not_in_the_home_is_asked_for(tmp_path, kind, wish):
    for home, where in (
        (tmp_path, str(tmp_path)),
        (tmp_path / "no", "which is no folder"),
        (None, "data home"),
    ):
        for ask in (
            kind(home=home).files,
            kind(home=home).signature,
            lambda k=kind, h=home: list(k(home=h).read("a")),
        ):
            with pytest.raises(BenchError, match="--data-home") as error:
                ask()
            assert wish in str(error.value)
            assert where in str(error.value)
            assert "\n" not in str(error.value)


def test_signature_follows_the_archive_and_tells_sets_apart(tmp_path):
    path = write_tar(tmp_path / "lfw-deepfunneled.tgz", FACES, "w:gz")
    before = Lfw(home=tmp_path).signature()
    assert Lfw(home=tmp_path).signature() == before
    os.utime(path, ns=(1, 1))
    assert Lfw(home=tmp_path).signature() != before
    write_folder(tmp_path / "both", {"a.jpg": b""})
    (tmp_path / "val").symlink_to(tmp_path / "both")
    (tmp_path / "lfw").symlink_to(tmp_path / "both")
    assert Lfw(home=tmp_path).signature() != ImagenetVal(home=tmp_path).signature()


@pytest.mark.skipif(
    not (SHARED / "lfw-deepfunneled.tgz").is_file(), reason="the real LFW is not in ../shared/data"
)
def test_the_real_lfw():
    lfw = Lfw(home=SHARED)
    ids = lfw.files()
    assert len(ids) == 13_233
    ((name, data),) = lfw.read(ids[:1])
    assert name == "AJ_Cook_0001"
    assert data.startswith(b"\xff\xd8")


@pytest.mark.skipif(
    not (SHARED / "church" / "index.csv").is_file(), reason="church/ is not in ../shared/data"
)
def test_the_church_photographs_are_those_of_their_index():
    listed = (SHARED / "church" / "index.csv").read_text().splitlines()[1:]
    assert Church(home=SHARED).files() == sorted(line.split(",")[0] for line in listed)
