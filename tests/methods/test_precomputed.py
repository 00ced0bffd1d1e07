"""Outputs of models that live elsewhere: exported, coloured by a program that knows nothing of
huebench, scored."""

import csv
import html
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

import bench
from bench.cli import main
from bench.contracts.execution import Quiet
from bench.contracts.request import Request
from bench.data import prepare
from bench.engine.runner import dry_run
from bench.machine import places
from bench.plugins import notation
from bench.scores import samples
from bench.store.local import Store

METRICS = ("absolute-error", "error-of-best", "fair-energy-score", "fair-variogram-score")
NAMES = [
    *(f"{i:02}.png" for i in range(30)),
    *(f"cats/été {i}%.png" for i in range(5)),
    *(f"dogs/.a[{i}],=.png" for i in range(5)),
]


def photograph(seed):
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return small.resize((80, 80), Image.Resampling.BICUBIC)


def program(inputs, outputs, colour):
    """Another program: reads grey pictures, writes `colour(grey picture, number, id)` as files 0,
    1, ..."""
    with (inputs / "inputs.csv").open(newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    for number, row in enumerate(rows):
        folder = outputs / row["file"].removesuffix(".png")
        folder.mkdir(parents=True)
        for n, made in enumerate(colour(Image.open(inputs / row["file"]), number, row["id"])):
            if made.dtype == np.uint8:
                Image.fromarray(made).save(folder / f"{n}.png")
            else:
                np.save(folder / f"{n}.npy", made)
    shutil.copy(inputs / "inputs.json", outputs)
    return outputs


def tinted(grey, number, _id):
    """Ten pictures: a random colour cast each."""
    rng = np.random.default_rng(number)
    light = np.asarray(grey.convert("RGB"), dtype=float)
    return [np.clip(light + rng.normal(0, 25, 3), 0, 255).astype(np.uint8) for _ in range(10)]


class House:
    """A folder of photographs, its exported inputs, and the results of outputs made from them."""

    def __init__(self, folder):
        self.folder, self.photographs, self.inputs = folder, folder / "photos", folder / "inputs"
        for seed, name in enumerate(NAMES):
            path = self.photographs / name.replace("/.", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            photograph(seed).save(path)
        assert self.bench("export-inputs", self.photographs, self.inputs) == 0
        self.first = self.run("first", "marginal", "grey")
        self.test = self.first._test_set("photos")

    def bench(self, *arguments):
        try:
            main(
                [
                    *map(str, arguments),
                    *(
                        ["--store", str(self.folder / "store")]
                        if arguments[0] != "check-outputs"
                        else []
                    ),
                ]
            )
        except SystemExit as error:
            return int(error.code or 0)
        return 0

    def run(self, name, *methods, **more):
        return bench.run(
            Request(
                methods=methods,
                datasets=(str(self.photographs),),
                metrics=METRICS,
                limit_train=12,
                store=self.folder / "store",
                **more,
            ),
            out=self.folder / name,
        )

    def state(self, method, **more):
        """What the plan says of a method: cached, to do or incompatible, and why."""
        request = Request(
            methods=(method,),
            datasets=(str(self.photographs),),
            metrics=METRICS,
            limit_train=12,
            store=self.folder / "store",
            **more,
        )
        return next(row["state"] for row in dry_run(request, Quiet()) if row["step"] == "sample")

    def fields(self, method, ask):
        """What a method of the first run gave `(photographs, k, 2, 64, 64)`."""
        cell = next(c for c in self.first.cells if c.method == method)
        shards = next(a.shards for a in cell.asks if a.name == ask)
        return samples.read_rows(self.first.store, shards, range(len(self.test)))

    def outputs(self, name, colour):
        return program(self.inputs, self.folder / name, colour)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = House(tmp_path_factory.mktemp("elsewhere"))
    fields, truth = made.fields("marginal", "draws"), made.test.ab
    row = {image: i for i, image in enumerate(made.test.ids)}

    def true_picture(_grey, _number, image):
        path = made.photographs / image
        with Image.open(path) as picture:
            square = np.asarray(picture.convert("RGB"), dtype=np.float32)
        return [
            np.round(prepare.images.resize(square, 64, antialias=False))
            .clip(0, 255)
            .astype(np.uint8)
        ]

    made.outputs("tinted", tinted)
    made.outputs("again", lambda g, n, image: list(fields[row[image]]))
    made.outputs("zeros", lambda *_: [np.zeros((2, 64, 64), np.float16)])
    made.outputs("true-fields", lambda g, n, image: [np.array(truth[row[image]])])
    made.outputs("true-pictures", true_picture)
    kinds = {
        "tinted": "iid",
        "again": "iid",
        "zeros": "point",
        "true-fields": "point",
        "true-pictures": "point",
    }
    made.methods = {
        name: f"precomputed[folder={made.folder / name},kind={kind}]"
        for name, kind in kinds.items()
    }
    made.second = made.run("second", *made.methods.values())
    return made


def called(method):
    """A method as a run calls it: of a path from the root it shows the end."""
    return places.labels([method])[method]


def values(result, method, ask):
    method = called(method)
    rows = result.scores.query("method == @method and ask == @ask and status == 'done'")
    return rows.set_index(["metric", "variant", "region", "image"])["value"].sort_index()


def test_draws_of_a_built_in_written_as_files_score_as_the_built_in(house):
    mine, own = (
        values(house.second, house.methods["again"], "draws"),
        values(house.first, "marginal", "draws"),
    )
    assert set(own.index.get_level_values("metric")) == set(METRICS)
    assert mine.index.equals(own.index)
    np.testing.assert_array_equal(mine, own)


def test_grey_written_as_files_scores_as_grey(house):
    mine, own = (
        values(house.second, house.methods["zeros"], "present"),
        values(house.first, "grey", "present"),
    )
    np.testing.assert_array_equal(mine, own)
    assert len(own)


def test_the_truth_as_files_has_no_error_but_rounding(house):
    fields = values(house.second, house.methods["true-fields"], "present").loc[
        "absolute-error", "sum", "all"
    ]
    pictures = values(house.second, house.methods["true-pictures"], "present").loc[
        "absolute-error", "sum", "all"
    ]
    assert fields.max() == 0
    assert 0 < pictures.max() < 1 / 128


def test_pictures_of_a_program_elsewhere_score_as_computed_by_hand(house):
    errors = values(house.second, house.methods["tinted"], "present").loc[
        "absolute-error", "sum", "all"
    ]
    energy = values(house.second, house.methods["tinted"], "draws").loc[
        "fair-energy-score", "field", "all"
    ]
    for i, image in enumerate(house.test.ids):
        folder = (
            house.folder
            / "tinted"
            / {r["id"]: r["file"] for r in table(house)}[image].removesuffix(".png")
        )
        drawn = np.stack([by_hand(folder / f"{n}.png") for n in range(10)])
        truth = np.array(house.test.ab[i], dtype=float)
        assert errors[image] == pytest.approx(
            np.abs(drawn[:5] - truth).sum(1).mean() / 128, rel=1e-4
        )
        flat, target = drawn.reshape(10, -1) / 128, truth.ravel() / 128
        between = np.linalg.norm(flat[:, None] - flat[None], axis=-1).sum() / (10 * 9)
        expected = (np.linalg.norm(flat - target, axis=1).mean() - between / 2) / np.sqrt(
            2 * 64 * 64
        )
        assert energy[image] == pytest.approx(expected, rel=1e-3)


def table(house):
    with (house.inputs / "inputs.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def by_hand(path):
    """ab `(2, 64, 64)` of a 256x256 picture: the mean of the middle four pixels of sixteen, in RGB,
    as bilinear sampling has it."""
    pixels = np.asarray(Image.open(path), dtype=float) / 255
    small = pixels.reshape(64, 4, 64, 4, 3)[:, 1:3, :, 1:3].mean((1, 3))
    return rgb2lab(small)[..., 1:].transpose(2, 0, 1)


def test_claimed_draws_are_marked_wherever_they_are_scored_and_nothing_else_is(house):
    marked = [called(house.methods["tinted"]), called(house.methods["again"])]
    assert house.second.claimed == marked
    assert house.first.claimed == []
    ranking = (house.folder / "second" / "tables" / "ranking.md").read_text()
    lines = [
        line for line in ranking.splitlines() if line.startswith("|") and "precomputed" in line
    ]
    assert len(lines) == 5
    assert sum("(claimed)" in line for line in lines) == 2
    assert "is claimed by whoever made them, not checked" in ranking
    page = (house.folder / "second" / "report" / "index.html").read_text()
    assert "is claimed by whoever made them, not checked; fair scores and ranks" in page
    assert "claimed" not in (house.folder / "first" / "tables" / "ranking.md").read_text()
    scores = json.loads((house.folder / "second" / "manifest.json").read_text())["cells"]
    assert [cell["claims_draws"] for cell in scores] == [True, True, False, False, False]


def test_a_point_estimate_has_no_draws(house):
    found = house.second.select(method=called(house.methods["zeros"]), ask="draws")
    refused = found[found["status"] == "refused"]
    assert set(refused["metric"]) == {"fair-energy-score", "fair-variogram-score"}
    assert refused["reason"].unique().tolist() == [
        "precomputed states kind=point: independent draws are kind=iid"
    ]


def test_a_changed_file_is_never_served_from_the_store(house, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(house.folder / "tinted", copy)
    method = f"precomputed[folder={copy},kind=iid]"
    assert house.state(method) == "cached"  # the same content elsewhere is the same thing
    path = next(copy.rglob("3.png"))
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    assert house.state(method) == "to do: 2 of 2 shards"
    after, before = (
        house.run(tmp_path / "after", method),
        values(house.second, house.methods["tinted"], "draws"),
    )
    assert (
        0 < (values(after, method, "draws") != before).sum() <= 0.25 * len(before)
    )  # of one photograph


def test_a_limited_run_takes_its_photographs_from_the_whole(house, tmp_path):
    limited = house.run(tmp_path / "limited", house.methods["tinted"], limit_test=2)
    whole = values(house.second, house.methods["tinted"], "draws")
    part = values(limited, house.methods["tinted"], "draws")
    assert part.index.get_level_values("image").nunique() == 2
    np.testing.assert_allclose(part, whole.loc[part.index], rtol=1e-5)


def spoil(house, tmp_path, change, kind="iid", **more):
    """The reason that a run gives for outputs that were changed; grey is scored all the same."""
    copy = tmp_path / "outputs"
    shutil.copytree(house.folder / "tinted", copy)
    change(copy, sorted(p.parent for p in copy.rglob("0.png")))
    result = house.run(tmp_path / "run", f"precomputed[folder={copy},kind={kind}]", "grey", **more)
    assert result.cells[1].status == "done"
    return result.cells[0].status, result.cells[0].reason.replace(str(copy), "outputs")


def test_outputs_for_another_protocol_are_refused(house, tmp_path):
    state = house.state(house.methods["tinted"], protocol="square")
    assert state.startswith("incompatible: outputs in")
    assert (
        "made from inputs that were prepared in another way (antialias False, here True; crop "
        "authors, here square)" in state
    )


def test_no_record_and_identical_draws_of_one_photograph_are_cautions(house, tmp_path):
    def change(copy, folders):
        (copy / "inputs.json").unlink()
        shutil.copy(folders[0] / "1.png", folders[0] / "2.png")

    assert spoil(house, tmp_path, change) == ("done", "")
    page = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "which inputs they were made from is not checked" in page
    assert "identical files are said to be independent draws of 1 photograph(s)" in page


def test_files_cut_short_fail_the_cell_by_name(house, tmp_path):
    def cut(copy, folders):
        (folders[1] / "4.png").write_bytes((folders[1] / "4.png").read_bytes()[:3000])

    status, reason = spoil(house, tmp_path, cut)
    assert status == "failed"
    assert "4.png: a damaged PNG file: image file is truncated" in reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("draws", "k", "says"),
    [
        (12, None, "10, fewer than 12; --draws 10 would do"),
        (12, 11, "10, fewer than 12; -k 10 --draws 10 would do"),
    ],
)
def test_too_few_files_say_which_number_would_do(house, draws, k, says):
    state = house.state(house.methods["tinted"], draws=draws, k=k)
    assert state.startswith("incompatible: outputs in")
    assert ": 4 too few (" in state
    assert says in state


def test_modes_need_k_files_and_give_their_weights(house, tmp_path):
    copy = tmp_path / "modes"
    shutil.copytree(house.folder / "tinted", copy)
    lines = ["id,n,file,weight"]
    for row in table(house):
        stem = row["file"].removesuffix(".png")
        lines += [f'"{row["id"]}",{n},"{stem}/{n}.png",{10 - n}' for n in range(10)]
    (copy / "outputs.csv").write_text("\n".join(lines), encoding="utf-8")
    method = f"precomputed[folder={copy},kind=modes]"
    result = house.run(tmp_path / "run", method, limit_test=2)
    shard = samples.read(Store(house.folder / "store"), result.cells[0].asks[0].shards[0])
    np.testing.assert_allclose(
        shard.weights, np.tile(np.array([10, 9, 8, 7, 6]) / 40, (2, 1)), rtol=1e-6
    )
    assert shard.kind == "modes"
    assert result.claimed == []


@pytest.mark.parametrize(
    "name", ["results, final", "o, [x]", 'say "so"', " out ", "[l2,mah]", '"', "a=b"]
)
def test_a_folder_of_any_name(house, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(house.folder / "tinted", name)
    quoted = name.replace('"', '""')
    result = house.run("run", f'precomputed[folder="{quoted}",kind=iid]', "grey", limit_test=2)
    assert [cell.reason for cell in result.cells] == ["", ""]
    label = result.cells[0].method
    assert dict(notation.parse(label).given) == {"folder": name, "kind": "iid"}
    assert (
        result.cells[0].fit
        == house.run(
            "plain", f"precomputed[folder={house.folder / 'tinted'},kind=iid]", limit_test=2
        )
        .cells[0]
        .fit
    )
    read = list(
        csv.DictReader((house.folder / "run" / "summary.csv").open(newline="", encoding="utf-8"))
    )
    assert label in {row["method"] for row in read}
    assert html.escape(label) in (house.folder / "run/report/index.html").read_text()
    shutil.rmtree(house.folder / "run")
    shutil.rmtree(house.folder / "plain")


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("precomputed", "precomputed needs folder=...: the folder of the outputs"),
        ("precomputed[folder=.]", "precomputed needs kind=... (iid, modes, centroids, point)"),
        ("precomputed[folder=.,kind=draws]", "kind=draws is not one of"),
        ("precomputed[folder=nowhere,kind=iid]", "nowhere can't be read: No such file"),
        (
            "precomputed[folder=o, [x],kind=iid]",
            '; text that holds commas, brackets or quotes goes in quotes: folder="a, [b]"',
        ),
        ('precomputed[folder="o, [x],kind=iid]', "a quote isn't closed in"),
    ],
)
def test_what_is_not_stated_is_asked_for(house, capsys, method, says):
    assert house.bench("run", "--methods", method, "--dataset", house.photographs) == 2
    assert says in capsys.readouterr().err


def test_a_dry_run_names_what_is_missing(house, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert (
        house.bench(
            "run",
            "--methods",
            f"precomputed[folder={empty},kind=point]",
            "-d",
            house.photographs,
            "--dry-run",
        )
        == 0
    )
    assert "incompatible: outputs in" in (out := capsys.readouterr().out)
    assert "4 missing (" in out
    assert not any(Path(empty).iterdir())
