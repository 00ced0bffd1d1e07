"""`--dataset PATH`: what counts as an image, and that ids depend on nothing but names."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.folder import FolderOfImages
from bench.errors import BenchError, NothingMeasured
from bench.pictures.images import Unreadable


def fill(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_images_at_any_depth_in_order(tmp_path):
    images = (
        "b.JPG",
        "a/z.png",
        "a/y/deep.webp",
        "B.tif",
        "naïve/Größe 1.jpeg",
        "x.GIF",
        "x.bmp",
        "x.ppm",
        "x.tiff",
    )
    fill(
        tmp_path,
        *images,
        "index.csv",
        "noextension",
        ".hidden.jpg",
        ".git/in.png",
        "a/._b.jpg",
        "@eaDir/b.jpg/thumb.jpg",
        "a/__MACOSX/z.png",
    )
    folder = FolderOfImages(path=tmp_path)
    assert folder.files() == sorted(images)
    assert dict(folder.read(folder.files())) == {name: name.encode() for name in images}
    assert folder.split(folder.files()) is None


def test_reads_only_what_is_wanted(tmp_path):
    fill(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    assert dict(FolderOfImages(path=tmp_path).read(["b.jpg"])) == {"b.jpg": b"b.jpg"}


def test_a_hidden_root_is_fine(tmp_path):
    assert FolderOfImages(path=fill(tmp_path / ".cache", "a.jpg")).files() == ["a.jpg"]


def test_names_that_differ_by_case_stay_apart(tmp_path):
    fill(tmp_path, "a.jpg", "A.jpg", "a.JPG")
    if len(os.listdir(tmp_path)) < 3:
        pytest.skip("this file system ignores case")
    assert FolderOfImages(path=tmp_path).files() == ["A.jpg", "a.JPG", "a.jpg"]


def test_links_are_followed_but_not_round_in_circles(tmp_path):
    fill(tmp_path, "set/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "set/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/loop").symlink_to(tmp_path / "set")
    (tmp_path / "elsewhere/up").symlink_to(tmp_path / "set")
    (tmp_path / "set/broken.jpg").symlink_to(tmp_path / "nowhere")
    folder = FolderOfImages(path=tmp_path / "set")
    assert folder.files() == ["a.jpg", "linked/b.jpg"]
    assert folder.left_out() == {
        "broken.jpg": "a link to what is not there",
        "linked/up/": "a link that leads back up",
        "loop/": "a link that leads back up",
    }


def test_decomposed_unicode_is_the_same_id(tmp_path):
    fill(tmp_path, "o\u0308.jpg")
    folder = FolderOfImages(path=tmp_path)
    assert folder.files() == ["ö.jpg"]
    assert [name for name, _ in folder.read(["ö.jpg"])] == ["ö.jpg"]


def test_a_name_that_is_no_utf8_is_spelt_out(tmp_path):
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system wants UTF-8")
    assert FolderOfImages(path=tmp_path).files() == ["\\xff.jpg"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (None, "--dataset PATH"),
        ("absent", "does not exist"),
        ("a.jpg", "is a file"),
        ("empty", "no image"),
    ],
)
def test_no_images_is_one_clear_line(tmp_path, name, words):
    fill(tmp_path, "a.jpg", "empty/readme.txt")
    with pytest.raises(BenchError, match=words) as error:
        FolderOfImages(path=tmp_path / name if name else None).files()
    assert "\n" not in str(error.value)
    assert isinstance(error.value, NothingMeasured) == (name == "empty")


def test_two_images_of_one_id_are_refused(tmp_path):
    fill(tmp_path, "o\u0308.jpg", "\u00f6.jpg")
    if len(os.listdir(tmp_path)) < 2:
        pytest.skip("this file system composes names")
    with pytest.raises(BenchError, match=r"two images .* 'ö.jpg'"):
        FolderOfImages(path=tmp_path).files()


def test_an_image_that_went_away_is_named(tmp_path):
    fill(tmp_path, "a.jpg")
    found = dict(FolderOfImages(path=tmp_path).read(["a.jpg", "b.jpg"]))
    assert found["a.jpg"] == b"a.jpg"
    assert (type(found["b.jpg"]), str(found["b.jpg"])) == (Unreadable, "it is not there any more")


def test_a_file_that_goes_while_it_is_read_costs_itself(tmp_path):
    members = FolderOfImages(path=fill(tmp_path, "a.jpg", "b.jpg")).source().members()
    name, read = next(members)
    (tmp_path / name).unlink()
    with pytest.raises(Unreadable, match="No such file or directory"):
        read()
    assert next(members)[1]() == b"b.jpg"


def test_a_folder_that_went_away_is_one_line(tmp_path):
    folder = FolderOfImages(path=fill(tmp_path / "set", "a.jpg").rename(tmp_path / "other"))
    (tmp_path / "other").rename(tmp_path / "gone")
    with pytest.raises(BenchError, match="does not exist"):
        list(folder.read(["a.jpg"]))


def test_signature_follows_names_sizes_and_times(tmp_path):
    folder = FolderOfImages(path=fill(tmp_path, "a.jpg", "b.jpg"))
    seen = [folder.signature()]
    assert folder.signature() == seen[0]
    os.utime(tmp_path / "a.jpg", ns=(1, 1))
    seen.append(folder.signature())
    (tmp_path / "a.jpg").rename(tmp_path / "c.jpg")
    seen.append(folder.signature())
    (tmp_path / "b.jpg").write_bytes(b"longer than before")
    seen.append(folder.signature())
    assert len(set(seen)) == 4
    fill(tmp_path, "notes.txt")
    assert folder.signature() == seen[-1]


names = st.text("abAB.é 日-", min_size=1, max_size=6).filter(
    lambda n: not n.startswith(".") and n.strip() == n
)


@settings(deadline=None)
@given(
    st.lists(names, unique_by=str.casefold, min_size=1, max_size=8).flatmap(
        lambda n: st.permutations([n, n[::-1]])
    )
)
def test_ids_do_not_depend_on_the_order_of_creation(orders):
    found = []
    for order in orders:
        with tempfile.TemporaryDirectory() as root:
            fill(
                Path(root),
                *(f"{name}.jpg" for name in order),
                *(f"{name}/in.png" for name in order),
            )
            found.append(FolderOfImages(path=Path(root)).files())
    assert found[0] == found[1] == sorted(found[0])
    assert len(found[0]) == 2 * len(orders[0])
