"""Runs end to end: order, resume, limits and batches change nothing; nothing is fitted twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import bench as toolkit
from bench.engine import planning
from bench.machine import threads
from bench.store.local import Store

from ..patience import until

QUICK = "zhang[batch=8,steps=2]"
VAE = "vae[batch=8,loss=l2,steps=3]"
MDN = f"mdn[batch=8,features={QUICK},steps=2,vae={VAE}]"
CVAE = f"cvae[batch=8,draws=12,features={QUICK},loss=l2,steps=2]"
ALL = (MDN, CVAE, QUICK, VAE)


FACT = ["method", "image", "ask", "metric", "variant", "region"]


def compare(photographs, folder, out, methods=ALL, **more):
    return toolkit.run(
        methods=methods, datasets=(str(photographs),), preset="tiny", store=folder, out=out, **more
    )


def scores(result):
    """What was measured, in one order."""
    done = result.scores.query("status == 'done'").astype(dict.fromkeys(FACT, str))
    return done[[*FACT, "k", "value"]].sort_values([*FACT, "k"]).reset_index(drop=True)


@pytest.fixture(scope="module")
def first(photographs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    return compare(photographs, folder / "store", folder / "run")


def test_a_run_writes_what_it_promises(first):
    for name in (
        "manifest.json",
        "scores.parquet",
        "summary.csv",
        "report.md",
        "tables/diversity-table.md",
        "tables/paper-table-1.csv",
        "figures/eob-variance.png",
        "figures/eob-variance.svg",
    ):
        assert (first.folder / name).stat().st_size > 0, name
    done = first.scores.query("status == 'done'")
    kinds = dict(done.query("ask != 'draws'").groupby("method")["kind"].first())
    assert kinds == {MDN: "modes", CVAE: "centroids", QUICK: "iid", VAE: "reconstruction"}
    assert not done["value"].isna().any()
    codec = set(done.query("method == @VAE")["metric"])
    assert "absolute-error" in codec
    assert not codec & {"error-of-best", "variance", "fair-energy-score", "coverage"}


def test_what_a_data_set_says_of_itself_is_in_both_reports(tmp_path):
    toolkit.run(
        methods=("grey",),
        datasets=("demo",),
        store=tmp_path / "store",
        out=tmp_path / "run",
        limit_train=20,
        limit_test=6,
        metrics=("psnr",),
    )
    for name in ("report.md", "report/index.html"):
        assert "proves nothing" in (tmp_path / "run" / name).read_text()


def test_draws_are_scored_beside_what_is_presented(first):
    done = first.scores.query(
        "status == 'done' and metric == 'absolute-error' and variant == 'sum' and region == 'all'"
    )
    counts = done.groupby(["method", "ask"])["k"].first()
    assert dict(counts[MDN]) == {"present": 5, "draws": 10}
    assert dict(counts[VAE]) == {"reconstruct": 1}
    assert (done.query("ask == 'draws'")["kind"] == "iid").all()


def test_a_fair_score_of_modes_or_centroids_is_refused_and_says_why(first):
    refused = first.scores.query("status == 'refused' and metric == 'fair-energy-score'").set_index(
        ["method", "ask"]
    )["reason"]
    assert refused[MDN, "present"] == "it needs independent draws, and these are modes"
    assert "centroids" in refused[CVAE, "present"]
    assert "its own choice" in refused[QUICK, "present"]
    assert (MDN, "draws") not in refused.index


def test_the_order_of_methods_changes_nothing(first, photographs, tmp_path):
    again = compare(photographs, tmp_path / "store", tmp_path / "run", methods=ALL[::-1])
    pd.testing.assert_frame_equal(scores(first), scores(again), check_exact=True)


@pytest.mark.parametrize("count", [1, 3])
def test_threads_of_torch_before_a_run_change_nothing(first, photographs, tmp_path, count):
    with threads.pinned(count):
        again = compare(photographs, tmp_path / "store", tmp_path / "run", methods=(QUICK, VAE))
        assert torch.get_num_threads() == count
    mine = scores(first).query("method in [@QUICK, @VAE]").reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, scores(again), check_exact=True)


def test_a_second_run_fits_and_samples_nothing(first, photographs, tmp_path):
    store = Path(first.manifest.store)
    before = {p: p.stat().st_mtime_ns for p in store.rglob("cell.json")}
    again = compare(photographs, store, tmp_path / "run")
    assert {p: p.stat().st_mtime_ns for p in store.rglob("cell.json")} == before
    assert {c.cached for c in again.cells} == {True}
    pd.testing.assert_frame_equal(scores(first), scores(again), check_exact=True)


def test_a_resumed_run_gives_the_same_bits(first, photographs, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(first.manifest.store, store)
    lost = sorted((store / "samples").glob("??/*"))[::2]
    for folder in lost:
        shutil.rmtree(folder)
    again = compare(photographs, store, tmp_path / "run")
    pd.testing.assert_frame_equal(scores(first), scores(again), check_exact=True)


@pytest.mark.slow  # tests/cli/test_kill.py does it more often, with a smaller run
def test_a_killed_run_goes_on_and_gives_the_same_bits(first, photographs, tmp_path):
    command = [
        sys.executable,
        "-m",
        "bench.cli",
        "run",
        *(f"--methods={m}" for m in ALL),
        "--dataset",
        str(photographs),
        "--preset",
        "tiny",
        "--store",
        str(tmp_path / "store"),
        "--out",
        str(tmp_path / "run"),
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until(lambda: list((tmp_path / "store").glob("fits/??/*/cell.json")))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "run" / "scores.parquet").exists()
    again = compare(photographs, tmp_path / "store", tmp_path / "run")
    pd.testing.assert_frame_equal(scores(first), scores(again), check_exact=True)


def test_an_interrupt_is_one_line_and_status_130(photographs, tmp_path):
    command = [
        sys.executable,
        "-m",
        "bench.cli",
        "run",
        "--methods",
        "vae[steps=5000,batch=8]",
        "--dataset",
        str(photographs),
    ]
    command += [
        "--preset",
        "tiny",
        "--store",
        str(tmp_path / "store"),
        "--out",
        str(tmp_path / "run"),
    ]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    seen = []
    for line in process.stderr:
        seen.append(line)
        if line.startswith("fitting vae: "):  # the first line after ten seconds of training
            process.send_signal(signal.SIGINT)
            break
    seen += process.stderr.readlines()
    assert process.wait() == 130, "".join(seen)
    assert seen[-1].startswith("bench: interrupted")
    assert "Traceback" not in "".join(seen)
    assert not list((tmp_path / "store" / "fits").glob("??/*"))


def test_a_limited_run_is_a_prefix(first, photographs):
    store = Path(first.manifest.store)
    few = compare(photographs, store, first.folder.parent / "few", methods=(QUICK,), limit_test=2)
    whole = scores(first).query("method == @QUICK")
    joined = scores(few).merge(whole, on=[*FACT, "k"], suffixes=("_few", "_all"))
    assert len(joined) == len(scores(few))
    assert np.allclose(joined["value_few"], joined["value_all"], atol=1e-5)


def test_another_seed_gives_other_samples(first, photographs):
    other = compare(
        photographs,
        Path(first.manifest.store),
        first.folder.parent / "seed",
        methods=(QUICK,),
        seeds=(1,),
    )
    assert not np.allclose(scores(other)["value"], scores(first).query("method == @QUICK")["value"])


def test_scoring_again_gives_the_same_numbers(first, bench, tmp_path):
    shutil.copytree(first.folder, tmp_path / "copy")
    store = ("--store", first.store.folder)
    assert bench("score", tmp_path / "copy", "--metrics", "variance", *store)[0] == 0
    again = toolkit.read(tmp_path / "copy")
    pd.testing.assert_frame_equal(
        scores(again), scores(first), check_exact=True
    )  # the other metrics are kept
    assert len(again.scores) == len(first.scores)
    sets = [
        r.set_scores.sort_values(["method", "ask", "metric", "variant"]).reset_index(drop=True)
        for r in (again, first)
    ]
    pd.testing.assert_frame_equal(
        *(s.drop(columns="run") for s in sets), check_categorical=False, check_dtype=False
    )
    assert bench("report", tmp_path / "copy", "--out", tmp_path / "page", *store)[0] == 0
    assert (tmp_path / "page" / "report.md").is_file()


def test_global_random_state_is_untouched(photographs, tmp_path):
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    compare(photographs, tmp_path / "store", tmp_path / "run", methods=(VAE,), limit_test=2)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_dry_run_says_what_is_to_do_and_writes_no_run(bench, photographs, tmp_path):
    given = (
        "-m",
        f"{QUICK},{VAE}",
        "-d",
        photographs,
        "--preset",
        "tiny",
        "--store",
        tmp_path / "s",
    )
    status, out, _ = bench("run", *given, "--dry-run")
    assert status == 0
    assert out.count("to do") == 4
    assert not Path("runs").exists()
    assert bench("run", *given, "--out", "r")[0] == 0
    assert bench("run", *given, "--dry-run")[1].count("cached") == 4


def test_the_dry_run_estimates_a_fit_by_those_before_of_its_method_and_preset(tmp_path):
    store = Store(tmp_path)
    took = [
        ("vae", "tiny", 5),
        ("vae", "tiny", 3.2),
        ("vae", "tiny", 40),
        ("vae", "small", 900),
        ("mdn", "tiny", 77),
    ]
    for i, (name, preset, seconds) in enumerate(took):
        said = {
            "method": name,
            "version": "1",
            "label": name,
            "parameters": {"preset": preset},
            "dataset": "d",
            "seed": i,
            "requires": {},
            "seconds": seconds,
        }
        store.get(
            "fits",
            f"{i:064}",
            lambda folder, said=said: (folder / "a.json").write_text("{}") and said,
        )
    fits = [
        SimpleNamespace(
            key=c * 64,
            spec=SimpleNamespace(name=name),
            parameters={"preset": preset},
            label=name,
            dataset="d",
        )
        for c, name, preset in (("a", "vae", "tiny"), ("b", "mdn", "tiny"), ("c", "mdn", "small"))
    ]
    cell = SimpleNamespace(name="vae on d", incompatible="it draws nothing", broken="")
    *rows, sampling = planning.summary(SimpleNamespace(fits=lambda: fits, cells=[cell]), store)
    assert sampling == {
        "step": "sample",
        "what": "vae on d",
        "state": "incompatible: it draws nothing",
        "estimate": "",
    }
    assert [row["state"] for row in rows] == ["to do"] * 3
    assert [row["estimate"] for row in rows] == [
        "about 5 s (median of 3)",
        "about 77 s (median of 1)",
        "unknown",
    ]


def test_shared_parts_are_fitted_once(first):
    labels = [f.label for f in first.manifest.fits]
    assert sorted(labels) == sorted({QUICK, VAE, MDN, CVAE})
    stored = [f for f in Store(Path(first.manifest.store)).all("fits") if f.seed == 0]
    assert len(stored) == 4


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["list", "methods", "--json"], ["--version"]]
)
def test_light_commands_import_no_torch(arguments):
    code = f"import sys; from bench.cli import main\ntry:\n    main({arguments!r})\n"
    code += "except SystemExit as e:\n    assert not e.code\n"
    code += "assert not {'torch', 'lightning', 'sklearn', 'seaborn', 'pandas'} & set(sys.modules), 'heavy import'"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_list_and_show(bench):
    rows = json.loads(bench("list", "methods", "--json")[1])
    assert {"mdn", "cvae", "zhang", "vae"} <= {r["name"] for r in rows}
    status, out, _ = bench("show", "mdn")
    assert status == 0
    assert "components=8" in out
    assert "arXiv:1612.01958" in out
    assert bench("show", "mnd")[0] == 2
    assert json.loads(bench("env")[1])["libraries"]["torch"]


def test_a_method_goes_with_its_file_and_its_name_in_the_list(tmp_path):
    root = Path(__file__).parents[2]
    copy = tmp_path / "copy"
    shutil.copytree(
        root,
        copy,
        ignore=shutil.ignore_patterns(
            ".git", ".venv", ".cache", "runs", "build", "*.egg-info", "tests", "docs"
        ),
    )
    (copy / "methods" / "cvae.py").unlink()
    shelf = copy / "methods" / "__init__.py"
    shelf.write_text(shelf.read_text().replace('    "cvae",\n', ""))
    target = tmp_path / "installed"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(target),
        str(copy),
    ]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r})\n"
        "from importlib.metadata import distributions; from bench import hookspecs; from "
        "bench.plugins import loader\n"
        f"found = [e for d in distributions(path=[{str(target)!r}]) for e in d.entry_points if "
        "e.group == hookspecs.GROUP]\n"
        "r = loader.load(found); known = r.specs['methods']\n"
        "print([n for n in ('mdn', 'vae', 'zhang', 'cvae') if n in known], [p.error for p in "
        "r.plugins if p.error])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=dict(os.environ),
    )
    assert out.stdout.strip() == "['mdn', 'vae', 'zhang'] []"
