"""Fitted methods as folders: exported, opened, imported where a run takes them; and folders that
were tampered with."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench import keys
from bench.cli import main
from bench.errors import BenchError
from bench.fitted import folders
from bench.store.local import Store

METHOD = "zhang-coherent[zhang=zhang[batch=4,steps=2]]"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run of three methods on twenty small pictures."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "pets").mkdir()
    for i in range(20):
        blocks = np.random.default_rng(i).integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((64, 64)).save(folder / "pets" / f"{i}.png")
    run(folder, "run", f"{METHOD},knn[neighbours=3],grey")
    return folder


def run(folder, out, methods):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main(
            [
                "run",
                "-m",
                methods,
                "-d",
                "./pets",
                "--preset",
                "tiny",
                "--store",
                "store",
                "--figures",
                "none",
                "--out",
                out,
                "--metrics",
                "psnr,energy-score,fair-energy-score",
                "--draws",
                "2",
                "-k",
                "2",
            ]
        )


@pytest.fixture(autouse=True)
def own(base, monkeypatch):
    """The run's store is the reader's own."""
    monkeypatch.setenv("BENCH_STORE", str(base / "store"))


@pytest.fixture
def exported(base, tmp_path):
    return folders.export(base / "run", METHOD, tmp_path / "coherent")


def test_an_exported_method_is_the_fitted_one_and_says_what_it_is(base, exported):
    card = json.loads((exported / "card.json").read_text())
    assert (card["label"], card["method"]) == (METHOD, "zhang-coherent")
    assert (card["data"]["name"], card["data"]["photographs"]) == ("pets", 18)
    assert card["protocol"]["name"] == "paper"
    assert {"psnr", "energy-score", "fair-energy-score"} == {
        row["metric"] for row in card["scores"]
    }
    assert all(isinstance(row["mean"], float) for row in card["scores"])
    assert len(card["fits"]) == 2
    assert {p.suffix for p in exported.rglob("*") if p.is_file()} <= {
        ".json",
        ".safetensors",
        ".npy",
    }
    grey = 100 * torch.rand(2, 1, 256, 256, generator=torch.Generator().manual_seed(0))
    fields = []
    for place in (exported, base / "run"):
        with folders.opened(place, METHOD) as found:
            fields.append(found.method.predict(grey, [1, 2]).sample(2).ab)
    assert torch.equal(*fields)


@pytest.mark.parametrize("turned", [False, True])
def test_the_order_of_the_fits_in_a_card_means_nothing(exported, turned):
    """Files have them by key, not in the order in which they were made."""
    card = json.loads((exported / "card.json").read_text())
    card["fits"] = dict(sorted(card["fits"].items(), reverse=turned))
    (exported / "card.json").write_text(json.dumps(card))
    with folders.opened(exported) as found:
        assert found.spec.name == "zhang-coherent"


def test_a_method_is_exported_by_the_name_it_was_asked_for_by_whoever_fitted_it(
    base, exported, tmp_path
):
    run(base, "longer", f"grey,{METHOD.replace('[batch', '[preset=tiny,batch')}")
    card = folders.read_card(
        folders.export(
            base / "longer", METHOD.replace("[batch", "[preset=tiny,batch"), tmp_path / "longer"
        )
    )
    assert card.fit == folders.read_card(exported).fit


def test_an_imported_fit_is_taken_instead_of_training(base, exported, tmp_path, monkeypatch):
    shutil.copytree(base / "pets", tmp_path / "pets")
    assert folders.bring_in(exported, Store(tmp_path / "store")) == list(
        json.loads((exported / "card.json").read_text())["fits"]
    )
    monkeypatch.setattr("bench.methods.zhang_model.train", None)  # training would fail
    run(tmp_path, "run", METHOD)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["cells"][0]["status"] == "done"
    assert {bool(mark["imported"]) for mark in manifest["fits"]} == {True}


def test_the_commands(base, command, tmp_path):
    status, out, err = command("weights", "export", base / "run", METHOD)
    assert (status, err) == (0, "")
    place = out.strip().rpartition(": ")[2]
    status, out, _ = command("weights", "import", place, "--store", "other")
    assert (status, out) == (0, f"2 fit(s) in {tmp_path / 'other'}\n")


def test_a_method_that_needs_its_store_is_not_exported(base, tmp_path):
    with pytest.raises(BenchError, match="can't be exported"):
        folders.export(base / "run", "knn[neighbours=3]", tmp_path / "knn")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("method", "said"), [("zhang-coherentt", "did you mean"), ("grey", None)])
def test_names(base, tmp_path, method, said):
    if said is None:
        assert folders.export(base / "run", method, tmp_path / "out").is_dir()
        return
    with pytest.raises(BenchError, match=said):
        folders.export(base / "run", method, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("flip", "is not what was exported: .* its digest differs"),
        ("remove", r"weights\.safetensors is missing"),
        ("outside", r"is damaged .*at '\$\.files"),
        ("pickle", r"is damaged .*at '\$\.files"),
        ("no card", "holds n"),
        ("newer", "schema version 9"),
        ("version", "version 0 of zhang-coherent"),
        ("protocol", r"another version .*protocol: gamma"),
        ("key", r"is damaged .*at 'key' in '\$\.fits"),
        ("requires", r"is damaged .*requires"),
        ("round", "its fits require one another"),
        ("malformed", r"Expected .object"),
        ("more", r"more\.json', which was not exported"),
        ("link", "link', which was not exported"),
    ],
)
def test_a_folder_that_was_changed_is_refused(base, exported, tmp_path, harm, says):
    card = json.loads((exported / "card.json").read_text())
    weights = next(exported.rglob("weights.safetensors"))
    if harm == "flip":
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
    elif harm == "remove":
        weights.unlink()
    elif harm == "outside":
        card["files"]["../run/manifest.json"] = {"bytes": 1, "sha256": "0"}
    elif harm == "pickle":
        card["files"]["fits/a.pkl"] = {"bytes": 1, "sha256": "0"}
    elif harm == "newer":
        card["schema_version"] = 9
    elif harm == "key":
        card["fits"]["../data"] = card["fits"][card["fit"]]
    elif harm == "requires":
        card["fits"][card["fit"]]["requires"] = {"zhang": "/tmp"}
    elif harm == "round":
        card["fits"][card["fit"]]["requires"]["zhang"] = card["fit"]
    elif harm == "malformed":
        card["fits"] = [1]
    elif harm == "more":
        (exported / "fits" / card["fit"] / "more.json").write_text("{}")
    elif harm == "link":
        (exported / "fits" / card["fit"] / "link").symlink_to("/etc/hostname")
    elif harm == "protocol":
        card["protocol"]["gamma"] = 2.2
    elif harm == "version":
        card["fits"][card["fit"]]["version"] = "0"
    if harm == "no card":
        (exported / "card.json").unlink()
    else:
        (exported / "card.json").write_text(json.dumps(card))
    with pytest.raises(BenchError, match=says) as caught, folders.opened(exported):
        pass
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(BenchError, match=says):
        folders.bring_in(exported, Store(tmp_path / "new"))
    assert not (tmp_path / "new" / "fits").exists()
    said = {
        "flip": "digest differs",
        "remove": "is missing",
        "outside": "don't use it",
        "pickle": "don't use it",
        "no card": "neither a run nor",
        "newer": "upgrade it",
        "version": "fit it again",
        "protocol": "another version of huebench",
        "key": "is damaged",
        "requires": "is damaged",
        "malformed": "is damaged",
        "round": "require one another",
        "more": "was not exported",
        "link": "was not exported",
    }[harm]
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "said"), [({"dataset": "church"}, "not church"), ({"seed": 7}, "not 7")]
)
def test_an_exported_method_is_of_one_data_set_and_seed(exported, asked, said):
    with pytest.raises(BenchError, match=said), folders.opened(exported, **asked):
        pass


def test_a_method_may_be_called_as_its_data_set_is(exported):
    card = json.loads((exported / "card.json").read_text())
    card["data"]["name"] = card["method"]
    (exported / "card.json").write_text(json.dumps(card))
    with (
        folders.opened(exported, card["method"], card["method"]),
        folders.opened(exported, card["method"]),
    ):
        pass


def test_a_damaged_summary_is_said_where_it_is_needed(base, tmp_path):
    shutil.copytree(base / "run", tmp_path / "run")
    (tmp_path / "run" / "summary.csv").write_text("dataset,meth")
    with pytest.raises(BenchError, match="bench score"):
        folders.export(tmp_path / "run", METHOD, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with folders.opened(tmp_path / "run", METHOD):
        pass


def test_a_run_of_another_protocol_version_is_refused(base, tmp_path):
    shutil.copytree(base / "run", tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    manifest["protocol"]["gamma"] = 2.2
    manifest["protocol_digest"] = keys.key("protocol", **manifest["protocol"])
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    with (
        pytest.raises(BenchError, match="another version of huebench"),
        folders.opened(tmp_path / "run", METHOD),
    ):
        pass


def test_an_export_does_not_overwrite(base, exported):
    with pytest.raises(BenchError, match="is not empty"):
        folders.export(base / "run", METHOD, exported)
    assert Path(exported / "card.json").is_file()
