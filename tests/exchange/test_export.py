"""Inputs for programs elsewhere, and what is said of the outputs that come back: every class of
mistake by name."""

import csv
import io
import json
import os
import pickle
import shutil
import struct
import zlib
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.color import rgb2lab

from bench import keys
from bench.cli import main
from bench.contracts import PreparedSet
from bench.contracts.execution import Quiet
from bench.contracts.request import Request
from bench.errors import BenchError
from bench.exchange import export, field_files, layout
from bench.exchange.check import repeated
from bench.exchange.colourizations import find
from bench.exchange.layout import stem
from bench.pictures.images import Unreadable
from bench.protocol import make_paper

PAPER = make_paper(antialias=False)
HOSTILE = [
    "../../evil",
    "/etc/passwd",
    "C:\\temp\\x",
    "con",
    "nul.png",
    "a//b",
    "",
    "..",
    ".",
    " x ",
    "x.",
    "line\nbreak",
    "a%2Fb",
    "é" * 300,
    "cats/.hidden",
    "~root",
    "-rf",
    "a\x00b",
    "\udc80",
    "con/aux.jpg",
    "inputs.csv",
]


# Names of files


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=16))
def test_a_stem_is_a_safe_relative_path_and_the_id_comes_back(image):
    place = stem(image)
    parts = place.split("/")
    assert not PurePosixPath(place).is_absolute()
    assert place.isascii()
    assert all(
        part and part not in (".", "..") and not part.startswith(".") and len(part) < 250
        for part in parts
    )
    assert not set(place) & set('\\:*?"<>|\0\n\r')
    assert "/".join(unquote(part) if part != "%~" else "" for part in parts) == image


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([*HOSTILE, "a/b", "a", "%~", "%", "A"]) | st.text("ab./%~ é", max_size=6),
        max_size=8,
        unique=True,
    )
)
def test_different_ids_have_different_stems(images):
    assert len({stem(image) for image in images}) == len(images)


def test_long_names_are_cut_and_stay_apart():
    one, other = stem("é" * 300), stem("é" * 299 + "è")
    assert one != other
    assert max(len(one), len(other)) <= 200


# Inputs


def prepared(ids):
    codes = (
        np.linspace(0, 65535, len(ids) * 256 * 256).reshape(len(ids), 256, 256).astype(np.uint16)
    )
    return PreparedSet(
        "set", "", tuple(ids), np.zeros((len(ids), 2, 64, 64), np.float32), codes, {}
    )


def test_hostile_ids_stay_inside_the_folder(tmp_path):
    place = tmp_path / "inside" / "deep"
    place.mkdir(parents=True)
    rows = list(export._pictures(place, prepared(HOSTILE), Quiet()))
    written = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()}
    assert written == {row["file"] for row in rows}
    assert len(written) == len(HOSTILE)
    assert [p.name for p in tmp_path.iterdir()] == ["inside"]
    assert [p.name for p in place.parent.iterdir()] == ["deep"]


def test_ids_that_are_one_name_here_are_refused(tmp_path):
    with pytest.raises(BenchError, match="photograph 'a' and another one have names"):
        list(export._pictures(tmp_path, prepared(["a.png/b", "a"]), Quiet()))


def test_a_grey_level_has_the_lightness_to_half_a_level():
    light = np.linspace(0, 100, 20001)
    levels = export.grey_levels(light[None])[0]
    scale = rgb2lab(np.repeat(np.arange(256)[None, :, None], 3, -1) / 255)[0, :, 0]
    error = np.abs(scale[levels] - light)
    np.testing.assert_allclose(
        error, np.abs(scale[None] - light[:, None]).min(1), atol=1e-2
    )  # the nearest of all levels
    assert 0.2 < error.max() < 0.26


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    for seed in range(30):
        small = Image.fromarray(
            np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        )
        small.resize((80, 80), Image.Resampling.BICUBIC).save(folder / f"{seed:02}.png")
    return folder


@pytest.fixture
def bench(tmp_path, monkeypatch, capsys, tmp_path_factory):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_STORE", os.fspath(tmp_path_factory.getbasetemp() / "export-store"))

    def call(*arguments):
        status = 0
        try:
            main([str(a) for a in arguments])
        except SystemExit as error:
            status = int(error.code or 0)
        return status, *capsys.readouterr()

    return call


def test_inputs_are_of_the_split_that_is_given(bench, photographs):
    status, _, err = bench("data", "split", photographs, "--out", "ours.json")
    assert status == 0, err
    ours = json.loads(Path("ours.json").read_text())
    theirs = {"dataset": "photos", "train": ours["train"][4:], "test": ours["train"][:4]}
    Path("theirs.json").write_text(json.dumps(theirs))
    status, _, err = bench("export-inputs", photographs, "inputs", "--split", "theirs.json")
    assert status == 0, err
    run = (
        "run",
        "-d",
        photographs,
        "-m",
        "precomputed[folder=made,kind=point]",
        "--split",
        "theirs.json",
        "--metrics",
        "absolute-error",
        "--figures",
        "none",
        "--out",
        "run",
    )
    with Path("inputs/inputs.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [row["id"] for row in rows] == theirs["test"]
    for row in rows:
        place = Path("made") / row["file"].removesuffix(".png")
        place.mkdir(parents=True)
        Image.open(Path("inputs") / row["file"]).convert("RGB").resize((64, 64)).save(
            place / "0.png"
        )
    status, _, err = bench(*run)
    assert status == 0, err
    for words, lists in (
        ("is a split of cats, which is not used here", {**theirs, "dataset": "cats"}),
        ("1 of its ids are not in dataset photos", {**theirs, "test": ["gone.png"]}),
    ):
        Path("wrong.json").write_text(json.dumps(lists))
        for verb in (("export-inputs", photographs, "no"), ("data", "prepare", photographs)):
            status, _, err = bench(*verb, "--split", "wrong.json")
            assert status == 2, verb
            assert words in err.splitlines()[-1]
        assert not Path("no").exists()


@pytest.fixture(scope="module")
def exported(photographs, tmp_path_factory):
    """The inputs, written once."""
    folder = tmp_path_factory.mktemp("exported") / "inputs"
    request = Request(
        datasets=(str(photographs),), store=tmp_path_factory.getbasetemp() / "export-store"
    )
    assert export.export_inputs(request, folder, Quiet()) == 3
    return folder


@pytest.fixture
def inputs(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "inputs")


def rows(inputs):
    with (inputs / "inputs.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_inputs_are_grey_pictures_with_their_digests(inputs):
    listed = rows(inputs)
    assert {p.name for p in inputs.iterdir()} == {
        "inputs.csv",
        "inputs.json",
        "README.md",
        *(row["file"] for row in listed),
    }
    for row in listed:
        with Image.open(inputs / row["file"]) as picture:
            assert (
                (picture.mode, picture.size)
                == ("L", (int(row["width"]), int(row["height"])))
                == ("L", (256, 256))
            )
            assert keys.sha256(np.asarray(picture).tobytes()) == row["sha256"]
    assert (inputs / "inputs.json").stat().st_mode & 0o777 == 0o644


def test_the_record_says_what_the_inputs_are_of(inputs):
    record = layout.read_record(inputs)
    assert record["protocol"] == PAPER.describe()
    assert (record["dataset"], record["photographs"], record["k"], record["draws"]) == (
        "photos",
        3,
        5,
        10,
    )
    assert record["ids_digest"] == keys.digest_of([row["id"] for row in rows(inputs)])
    assert record["protocol_digest"] == PAPER.digest


def test_a_folder_that_is_not_empty_is_refused_and_untouched(bench, photographs, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    status, _, err = bench("export-inputs", photographs, "full")
    assert (status, "is not empty: choose another folder" in err) == (2, True)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert bench("export-inputs", photographs, "empty", "--limit-test", 1)[0] == 0
    assert len(rows(tmp_path / "empty")) == 1
    (status, out, _), listed = (
        bench("export-inputs", photographs, "new/deep", "-k", 3),
        rows(tmp_path / "empty"),
    )
    assert (status, out.splitlines()[0]) == (0, "3 inputs: new/deep")
    assert layout.read_record(tmp_path / "new" / "deep")["k"] == 3
    assert rows(tmp_path / "new" / "deep")[:1] == listed  # a limited export is a prefix


def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch, photographs, bench):
    (tmp_path / "file").write_text("")
    assert bench("export-inputs", photographs, "file/inputs")[0] == 2
    monkeypatch.setattr(export, "csv_of_data", lambda columns, rows: 1 / 0)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        bench("export-inputs", photographs, "inputs")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


# Files of fields


def png(pixels, **more):
    stream = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(stream, "PNG", **more)
    return stream.getvalue()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bare_png(width, height, depth, colours, data):
    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


RGB = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
FIELD = np.random.default_rng(1).normal(0, 30, (2, 64, 64))
BAD = {
    "grey": ("0.png", png(RGB[..., 0]), "wrong format", "grey, 8 bits: write RGB, 8 bits"),
    "alpha": (
        "0.png",
        png(np.concatenate([RGB, RGB[..., :1]], -1)),
        "wrong format",
        "RGB with alpha, 8 bits",
    ),
    "sixteen bits": (
        "0.png",
        bare_png(64, 64, 16, 2, bytes(64 * (1 + 64 * 6))),
        "wrong format",
        "RGB, 16 bits",
    ),
    "grey, sixteen bits": (
        "0.png",
        png(RGB[..., 0].astype(np.uint16)),
        "wrong format",
        "grey, 16 bits",
    ),
    "wrong size": ("0.png", png(RGB[:32, :32]), "wrongly sized", "32x32, not 256x256 or 64x64"),
    "not square": ("0.png", png(RGB[:, :32]), "wrongly sized", "32x64, not"),
    "huge": ("0.png", bare_png(10**5, 10**5, 8, 2, b""), "wrongly sized", "100000x100000, not"),
    "no pixels": ("0.png", bare_png(64, 64, 8, 2, b""), "damaged", ""),
    "cut short": ("0.png", png(RGB)[:5000], "damaged", "truncated"),
    "cut in the header": ("0.png", png(RGB)[:20], "damaged", "cut short"),
    "empty": ("0.png", b"", "damaged", "not a PNG file"),
    "a JPEG": ("0.png", b"\xff\xd8\xff\xe0" + bytes(100), "damaged", "not a PNG file"),
    "too many bytes": ("0.png", png(RGB) + bytes(17 * 2**20), "damaged", "more than 16 MB"),
    "integers": ("0.npy", npy(FIELD.astype(int)), "wrong format", "int64: write ab as float32"),
    "RGB array": (
        "0.npy",
        npy(np.zeros((64, 64, 3))),
        "wrong format",
        "shape (64, 64, 3): write ab as (2, h, w)",
    ),
    "small array": ("0.npy", npy(FIELD[:, :56, :56]), "wrongly sized", "56x56, not"),
    "NaN": (
        "0.npy",
        npy(np.where(FIELD > 99, np.nan, FIELD) + np.where(np.arange(64) == 3, np.nan, 0)),
        "damaged",
        "not finite",
    ),
    "objects": ("0.npy", npy(FIELD.astype(object)), "damaged", "nothing is ever unpickled"),
    "a pickle": ("0.npy", pickle.dumps(FIELD), "damaged", "nothing is ever unpickled"),
    "text": ("0.npy", b"ab", "damaged", ""),
    "array cut short": ("0.npy", npy(FIELD)[:9000], "damaged", "no whole .npy file"),
    "array of nothing": ("0.npy", b"", "damaged", "no whole .npy file"),
    "not numbered": ("zero.png", png(RGB), "misnamed", "<n>.png or <n>.npy"),
    "another suffix": ("0.jpg", b"", "misnamed", "<n>.png or <n>.npy"),
    "a number left out": ("2.png", png(RGB), "misnamed", "is left out"),
}


def fill(outputs, inputs, make=lambda row: {"0.png": png(RGB)}):
    for row in rows(inputs):
        folder = outputs / row["file"].removesuffix(".png")
        folder.mkdir(parents=True)
        for name, data in make(row).items():
            (folder / name).write_bytes(data)
    (outputs / "inputs.json").write_bytes((inputs / "inputs.json").read_bytes())
    return outputs


@pytest.mark.parametrize("case", BAD)
def test_every_mistake_is_listed_by_name(case, bench, inputs, tmp_path):
    name, data, kind, why = BAD[case]
    outputs, bad = fill(tmp_path / "outputs", inputs), rows(inputs)[1]["id"]
    (outputs / bad / "0.png").unlink()
    (outputs / bad / name).write_bytes(data)
    status, out, err = bench("check-outputs", inputs, "outputs", "--kind", "point")
    line = next(line for line in out.splitlines() if line.startswith(kind))
    assert status == 2
    assert bad in line
    assert why in line
    assert err.splitlines()[-1].startswith("bench: outputs in outputs: ")
    assert "Traceback" not in err + out


def test_missing_extra_and_other_files(bench, inputs, tmp_path):
    outputs = fill(tmp_path / "outputs", inputs)
    first, second, _ = (row["id"] for row in rows(inputs))
    (outputs / first).rename(outputs / "stray")
    (outputs / second / "notes.txt").write_text("not a picture")
    (outputs / ".DS_Store").write_text("")
    (outputs / "top.png").write_bytes(png(RGB))
    status, out, err = bench("check-outputs", inputs, "outputs", "--kind", "point")
    assert out.splitlines() == [
        f"missing: {first}/: no colourization",
        "extra: stray/0.png: it belongs to no test photograph",
        "extra: top.png: it belongs to no test photograph",
    ]
    assert (status, err.splitlines()[-1]) == (2, "bench: outputs in outputs: 1 missing, 2 extra")


def test_links_out_of_the_folder_are_refused(bench, inputs, tmp_path):
    outputs = fill(tmp_path / "outputs", inputs)
    one, two, three = (outputs / row["id"] for row in rows(inputs))
    (one / "0.png").rename(tmp_path / "secret.png")
    (one / "0.png").symlink_to(tmp_path / "secret.png")
    (two / "0.png").unlink()
    two.rmdir()
    two.symlink_to(tmp_path, target_is_directory=True)
    (three / "0.png").rename(outputs / "elsewhere.bin")
    (three / "0.png").symlink_to(outputs / "elsewhere.bin")
    (outputs / "loop").symlink_to(outputs, target_is_directory=True)
    _, out, _ = bench("check-outputs", inputs, "outputs", "--kind", "point")
    assert f"refused: {one.name}/0.png: a link out of the folder" in out
    assert f"refused: {two.name}: a link to a folder" in out
    assert "refused: loop: a link to a folder" in out
    assert three.name not in out  # a link that stays inside


def test_a_pipe_is_not_waited_for(inputs, tmp_path):
    outputs = fill(tmp_path / "outputs", inputs)
    os.mkfifo(outputs / "1.png")
    assert [(p.kind, p.why) for p in find(outputs).problems] == [("refused", "no plain file")]
    keys.folder_digest(outputs)


@pytest.mark.parametrize("start", [0, 1])
def test_numbers_count_from_0_or_from_1_but_not_from_both(start, bench, inputs, tmp_path):
    numbered = {f"{n:03}.png": png(RGB + np.uint8(n)) for n in range(start, start + 10)}
    outputs = fill(tmp_path / "outputs", inputs, lambda row: numbered)
    assert bench("check-outputs", inputs, "outputs", "--kind", "iid")[0] == 0
    odd = outputs / rows(inputs)[0]["id"]
    (odd / f"{start:03}.png").rename(odd / f"{start + 10:03}.png")
    status, out, _ = bench("check-outputs", inputs, "outputs", "--kind", "iid")
    assert status == 2
    assert (
        f"misnamed: {odd.name}: number {start} is left out: the numbers of this folder count from "
        f"{start}" in out
    )


def test_two_files_of_one_number_are_refused(inputs, tmp_path):
    outputs = fill(
        tmp_path / "outputs", inputs, lambda row: {"0.png": png(RGB), "00.npy": npy(FIELD)}
    )
    assert {(p.kind, p.why.split("/")[-1]) for p in find(outputs).problems} == {
        ("misnamed", "0.png")
    }


@pytest.mark.parametrize(
    ("k", "draws", "kind", "says"),
    [
        (5, 10, "iid", "3, fewer than 10; -k 3 --draws 3 would do"),
        (2, 10, "iid", "3, fewer than 10; --draws 3 would do"),
        (5, 10, "modes", "3, fewer than 5; -k 3 would do"),
        (5, 10, "point", "a point estimate is one file"),
        (3, 3, "iid", ""),
        (3, 10, "centroids", ""),
    ],
)
def test_how_many_files_there_must_be(k, draws, kind, says, bench, inputs, tmp_path):
    fill(
        tmp_path / "outputs",
        inputs,
        lambda row: {f"{n}.png": png(RGB + np.uint8(n)) for n in range(3)},
    )
    status, out, _ = bench(
        "check-outputs", inputs, "outputs", "--kind", kind, "-k", k, "--draws", draws
    )
    assert status == (2 if says else 0)
    assert out.count(says) == 3 if says else "complete" in out


def manifest(outputs, lines):
    (outputs / "outputs.csv").write_text("\n".join(["id,n,file,weight", *lines]))


def test_a_manifest_names_files_by_itself(inputs, tmp_path):
    outputs = fill(tmp_path / "outputs", inputs)
    for path in sorted(outputs.rglob("0.png")):
        path.rename(outputs / f"{path.parent.name}.x.png")
    ids = [row["id"] for row in rows(inputs)]
    manifest(outputs, [f"{image},0,{image}.x.png,1" for image in ids])
    found = find(outputs, frozenset(ids))
    assert found.problems == ()
    assert {image: found.names(image) for image in ids} == {
        image: (f"{image}.x.png",) for image in ids
    }


@pytest.mark.parametrize(
    ("line", "kind", "why"),
    [
        ("{0},0,../../etc/passwd.png,", "missing", "is no picture or array in the folder"),
        ("{0},0,/etc/passwd.png,", "missing", "is no picture or array in the folder"),
        ("{0},0,absent.png,", "missing", "'absent.png' is no picture"),
        ("stranger,0,{0}/0.png,", "extra", "'stranger' is no test photograph"),
        ("{0},zero,{0}/0.png,", "misnamed", "a whole number n"),
        ("{0},0", "misnamed", "needs id"),
        ("{0},0,{1}/0.png,", "misnamed", "named twice"),
        ("{0},0,{0}/0.png,-1", "misnamed", "numbers of 0 or more"),
        ("{0},0,{0}/0.png,nan", "misnamed", "numbers of 0 or more"),
        ("{0},0,{0}/0.png,1", "misnamed", "no weights, where others have some"),
    ],
)
def test_mistakes_in_a_manifest(line, kind, why, inputs, tmp_path):
    outputs = fill(tmp_path / "outputs", inputs)
    ids = [row["id"] for row in rows(inputs)]
    manifest(outputs, [*(f"{image},0,{image}/0.png," for image in ids[1:]), line.format(*ids)])
    assert any(p.kind == kind and why in p.why for p in find(outputs, frozenset(ids)).problems)


@pytest.mark.parametrize("content", [b"id,file\na,b", b"\xff\xfe\x00", b""])
def test_a_manifest_that_is_none_is_an_error(content, inputs, tmp_path):
    outputs = fill(tmp_path / "outputs", inputs)
    (outputs / "outputs.csv").write_bytes(content)
    with pytest.raises(BenchError, match=r"outputs\.csv (has no column|can't be read)"):
        find(outputs)


@pytest.mark.parametrize(
    ("separator", "end", "encoding"),
    [
        (",", "\r\n", "utf-8-sig"),
        (";", "\r\n", "utf-8-sig"),
        ("\t", "\n", "utf-8"),
        (";", "\n", "utf-8"),
        (",", "\r", "utf-8"),
    ],
)
def test_a_manifest_that_a_spreadsheet_or_windows_wrote_is_read(
    separator, end, encoding, inputs, tmp_path
):
    outputs = fill(tmp_path / "outputs", inputs)
    ids = [row["id"] for row in rows(inputs)]
    cells = [("id", "n", "file"), *((image, 0, f"{image}\\0.png") for image in ids)]
    with (outputs / "outputs.csv").open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream, delimiter=separator, lineterminator=end).writerows(cells)
    found = find(outputs, frozenset(ids))
    assert found.problems == ()
    assert {image: found.names(image) for image in ids} == {
        image: (f"{image}/0.png",) for image in ids
    }


@pytest.mark.parametrize("name", ["outputs.csv", "inputs.csv"])
@pytest.mark.parametrize(
    ("encoding", "says"), [("utf-16", "it is UTF-16: save it"), ("latin-1", "is no UTF-8: save it")]
)
def test_a_table_of_another_encoding_is_one_line(name, encoding, says, bench, inputs, tmp_path):
    fill(tmp_path / "outputs", inputs)
    folder = "inputs" if name == "inputs.csv" else "outputs"
    (tmp_path / folder / name).write_bytes("id,n,file\n\xe9,0,x.png\n".encode(encoding))
    status, out, err = bench("check-outputs", inputs, "outputs", "--kind", "point")
    assert (status, out) == (2, "")
    assert f"{name} can't be read: " in err
    assert says in err
    assert err.count("\n") == 1


def test_inputs_saved_by_a_spreadsheet_are_read(bench, inputs, tmp_path):
    fill(tmp_path / "outputs", inputs)
    text = (inputs / "inputs.csv").read_bytes().decode().replace("\n", "\r\n").replace(",", ";")
    (inputs / "inputs.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert bench("check-outputs", inputs, "outputs", "--kind", "point")[0] == 0


IDS = [
    "cr\rx",
    "nl\nx",
    "crlf\r\nx",
    "com,ma",
    'qu"ote',
    "semi;colon",
    "=1+1",
    "'=1",
    "\u2028",
    "esc\x1b[31m",
    " lead",
    "tab\tx",
    "007",
]


def test_every_id_comes_back_from_the_table_of_inputs(tmp_path):
    place = tmp_path / "inputs"
    place.mkdir()
    table = export.csv_of_data(export.COLUMNS, export._pictures(place, prepared(IDS), Quiet()))
    (place / "inputs.csv").write_bytes(table.encode())
    assert [
        row["id"] for row in rows(place)
    ] == IDS  # for programs: the very ids, without an apostrophe
    assert list(export._ids(place / "inputs.csv")) == IDS


def test_debris_of_systems_is_nobody_s_colourization(inputs, tmp_path):
    outputs = fill(tmp_path / "outputs", inputs)
    picture = next(outputs.rglob("0.png"))
    for name in (
        "__MACOSX/a/._0.png",
        "__MACOSX/0.png",
        "@eaDir/SYNOFILE_THUMB_M.png",
        ".DS_Store",
        "Thumbs.db",
        "._0.png",
        f"{picture.parent.name}/._0.png",
        f"{picture.parent.name}/@eaDir/0.png/SYNOPHOTO_THUMB_M.png",
        "$RECYCLE.BIN/0.png",
    ):
        (outputs / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, outputs / name)
    assert find(outputs, frozenset(row["id"] for row in rows(inputs))).problems == ()


def test_a_folder_whose_name_is_no_utf_8_is_its_photograph_s(tmp_path):
    (tmp_path / "lat\udce9").mkdir()
    (tmp_path / "lat\udce9" / "0.png").write_bytes(png(RGB))
    found = find(tmp_path, frozenset(["lat\\xe9"]))
    assert (found.problems, found.names("lat\\xe9")) == ((), ("lat\udce9/0.png",))


@pytest.mark.parametrize("layout", ["<f2", "<f4", ">f4", "<f8", "fortran"])
def test_arrays_of_any_float_are_read_as_they_are(layout, tmp_path):
    array = np.asfortranarray(FIELD) if layout == "fortran" else FIELD.astype(layout)
    np.save(tmp_path / "0.npy", array)
    found = field_files.read(tmp_path / "0.npy", PAPER)
    assert (found.dtype, found.flags["C_CONTIGUOUS"]) == (np.float32, True)
    np.testing.assert_array_equal(found, array.astype(np.float32))


def test_a_larger_array_is_resized_as_photographs_are(tmp_path):
    large = np.random.default_rng(2).normal(0, 30, (2, 256, 256)).astype(np.float32)
    np.save(tmp_path / "0.npy", large)
    middle = large.reshape(2, 64, 4, 64, 4)[:, :, 1:3, :, 1:3].mean(
        (2, 4)
    )  # bilinear, half-pixel centres, four to one
    np.testing.assert_allclose(field_files.read(tmp_path / "0.npy", PAPER), middle, atol=1e-4)


def test_a_picture_of_64_is_converted_pixel_by_pixel(tmp_path):
    (tmp_path / "0.png").write_bytes(png(RGB))
    expected = rgb2lab(RGB / 255)[..., 1:].transpose(2, 0, 1)
    np.testing.assert_allclose(field_files.read(tmp_path / "0.png", PAPER), expected, atol=1e-3)


def test_a_bomb_of_pixels_is_not_unpacked(tmp_path):
    (tmp_path / "0.png").write_bytes(
        bare_png(64, 64, 8, 2, bytes(200 * 2**20))
    )  # 200 MB where 12 kB belong
    field_files.read(tmp_path / "0.png", PAPER)
    (tmp_path / "1.png").write_bytes(bare_png(2**31 - 1, 2**31 - 1, 8, 2, b""))
    with pytest.raises(Unreadable, match="2147483647x2147483647, not"):
        field_files.read(tmp_path / "1.png", PAPER)


# What is odd without being wrong


def coloured(inputs, of):
    """A function that gives tinted pictures of the input that `of` names for a row."""

    def make(row):
        grey = np.asarray(Image.open(inputs / of(row)).convert("RGB")).astype(int)
        return {
            f"{n}.png": png(np.clip(grey + np.array([n, 0, -n]), 0, 255).astype(np.uint8))
            for n in range(10)
        }

    return make


def test_pictures_of_their_inputs_pass_with_their_lightness_told(bench, inputs, tmp_path):
    fill(tmp_path / "outputs", inputs, coloured(inputs, lambda row: row["file"]))
    status, out, _ = bench("check-outputs", inputs, "outputs", "--kind", "iid")
    assert status == 0
    assert out.splitlines()[-1] == "3 photographs, 30 files, kind iid: complete"
    assert "remark: lightness of the pictures, which is ignored: 0." in out
    assert "another photograph's" not in out


def test_pictures_under_one_another_s_names_are_noticed(bench, inputs, tmp_path):
    files = [row["file"] for row in rows(inputs)]
    following = dict(zip(files, [*files[1:], files[0]]))
    fill(tmp_path / "outputs", inputs, coloured(inputs, lambda row: following[row["file"]]))
    _, out, _ = bench("check-outputs", inputs, "outputs", "--kind", "iid")
    assert "pictures look like another photograph's" in out


def test_arrays_in_another_unit_are_noticed(bench, inputs, tmp_path):
    fill(tmp_path / "outputs", inputs, lambda row: {"0.npy": npy(FIELD / 128)})
    status, out, _ = bench("check-outputs", inputs, "outputs", "--kind", "point")
    assert status == 0
    assert "was it divided?" in out


def test_repeated_draws_are_noticed_and_a_single_answer_is_told_apart(bench, inputs, tmp_path):
    same = fill(tmp_path / "same", inputs, lambda row: {f"{n}.npy": npy(FIELD) for n in range(10)})
    assert repeated(find(same)) == []
    assert (
        "a single answer is kind=point"
        in bench("check-outputs", inputs, "same", "--kind", "iid")[1]
    )
    twice = fill(
        tmp_path / "twice",
        inputs,
        lambda row: {f"{n}.npy": npy(FIELD + max(n, 1)) for n in range(10)},
    )
    assert len(repeated(find(twice))) == 3
    assert (
        "3 photograph(s) have identical files"
        in bench("check-outputs", inputs, "twice", "--kind", "iid")[1]
    )


def test_the_program_in_the_docs_does_what_they_say(bench, inputs, tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "precomputed.md").read_text()
    exec(page.partition("```python\n")[2].partition("```")[0], {})
    status, out, err = bench("check-outputs", inputs, "outputs", "--kind", "iid")
    assert (status, out.splitlines()[-1]) == (0, "3 photographs, 30 files, kind iid: complete"), err


def test_a_record_of_other_photographs_is_refused(bench, inputs, tmp_path):
    outputs = fill(tmp_path / "outputs", inputs)
    text = (outputs / "inputs.json").read_text()
    (outputs / "inputs.json").write_text(
        text.replace(layout.read_record(inputs)["digest"], "0" * 64)
    )
    status, out, _ = bench("check-outputs", inputs, "outputs", "--kind", "point")
    assert (status, "refused: inputs.json: made from inputs of other photographs" in out) == (
        2,
        True,
    )
    (outputs / "inputs.json").write_text("{}")
    status, _, err = bench("check-outputs", inputs, "outputs", "--kind", "point")
    assert (
        status,
        "missing required field 'dataset'): `bench export-inputs` writes it" in err,
    ) == (2, True)


def test_folders_that_are_none_are_errors(bench, inputs, tmp_path):
    assert (
        "does not exist: give the folder of the outputs"
        in bench("check-outputs", inputs, "no", "--kind", "iid")[2]
    )
    assert "holds no inputs.json" in bench("check-outputs", tmp_path, "no", "--kind", "iid")[2]
    assert Path("inputs").is_dir()
