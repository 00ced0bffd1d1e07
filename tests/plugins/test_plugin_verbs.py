"""`bench plugins`, the options of plugins on every verb, and `--config`."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

HALO = '''
"""A method in one file."""
from bench.contracts import ColorDistribution, Method, SampleSet
from bench.hookspecs import hookimpl
from bench.specs import MethodSpec, Parameter

LEVEL = Parameter("level", "float", 10.0, "of a and b")


@hookimpl
def bench_register_methods():
    yield MethodSpec(name="halo", summary="one colour", factory=":Halo", present_kind="point", parameters=(LEVEL,))


@hookimpl
def bench_run_finished(run):
    open("observed", "w").write(run)


class Halo(Method):
    def __init__(self, *, level):
        self.level = level

    def fit(self, train, context): ...
    def save(self, folder): ...
    def load(self, folder, context): ...

    def predict(self, grey, seeds):
        return Colour(grey, self.level)


class Colour(ColorDistribution):
    def __init__(self, grey, level):
        self.grey, self.level = grey, level

    def present(self, k):
        return SampleSet(self.grey.new_full((len(self.grey), 1, 2, 64, 64), self.level), "point")
'''


@pytest.fixture
def halo(tmp_path):
    path = tmp_path / "halo.py"
    path.write_text(HALO)
    return path


def test_a_local_method_is_in_the_list_runs_and_is_observed(bench, photographs, halo):
    assert "halo" not in bench("list", "methods")[1]
    for arguments in (("--plugin", halo, "list", "methods"), ("list", "methods", "--plugin", halo)):
        assert "method  halo" in bench(*arguments)[1]
    status, out, err = bench(
        "run",
        "--plugin",
        halo,
        "-m",
        "halo,halo[level=3],grey",
        "-d",
        photographs,
        "--metrics",
        "absolute-error",
        "--out",
        "run",
    )
    assert status == 0, err
    assert "halo[level=3]" in out
    assert Path("observed").read_text() == "run"
    assert set(pd.read_parquet("run/scores.parquet")["method"]) == {"halo", "halo[level=3]", "grey"}
    described = json.loads(Path("run/manifest.json").read_text())
    assert [p["origin"] for p in described["plugins"] if p["name"] == "halo"] == ["halo.py"]


def test_a_change_of_its_code_is_never_served_from_the_store(bench, photographs, halo):
    given = ("run", "--plugin", halo, "-m", "halo", "-d", photographs, "--metrics", "colourfulness")
    assert bench(*given, "--out", "a")[0] == 0
    halo.write_text(HALO.replace("10.0", "40.0").replace("self.level)", "self.level * 1)"))
    assert bench(*given, "--out", "b")[0] == 0
    tables = [
        pd.read_parquet(f"{run}/scores.parquet").query("status == 'done'")["value"]
        for run in ("a", "b")
    ]
    assert not tables[1].equals(tables[0])


def test_the_list_runs_no_code(bench, tmp_path):
    (tmp_path / "bad.py").write_text("open('ran', 'w')")
    status, out, _ = bench("plugins", "list", "--plugin", tmp_path / "bad.py")
    assert status == 0
    assert out.splitlines()[0].split() == [
        "plugin",
        "distribution",
        "version",
        "module",
        "origin",
        "state",
    ]
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("bad ")] == ["on"]
    assert not Path("ran").exists()


def test_the_doctor_says_what_each_registers_and_what_is_wrong(bench, halo, tmp_path):
    (tmp_path / "bad.py").write_text("import no_such_library")
    (tmp_path / "cvae.py").write_text("")
    given = [
        part for name in ("halo", "bad", "cvae") for part in ("--plugin", tmp_path / f"{name}.py")
    ]
    status, out, _ = bench("plugins", "doctor", *given, "--no-plugin", "lpips")
    assert status == 2
    rows = json.loads(bench("plugins", "doctor", *given, "--no-plugin", "lpips", "--json")[1])
    of = {(row["plugin"], row["distribution"]): row for row in rows}
    assert of["halo", "local file"]["registers"] == "method halo"
    assert of["lpips", "huebench"]["state"] == "off (--no-plugin)"
    assert "No module named 'no_such_library'" in of["bad", "local file"]["error"]
    assert "two plugins are named 'cvae'" in of["cvae", "local file"]["error"]
    assert of["controls", "huebench"]["registers"].startswith("method grey, method mean")
    assert f"{len(rows) - 2} of {len(rows)} plugins are well" in out
    assert bench("plugins", "doctor")[0] == 0


def test_a_broken_plugin_is_named_once_and_the_rest_works(bench, tmp_path):
    (tmp_path / "bad.py").write_text("import no_such_library")
    status, out, err = bench("list", "methods", "--plugin", tmp_path / "bad.py")
    assert status == 0
    assert "method  mdn" in out
    assert err.count("plugin bad of") == 1
    status, _, err = bench("list", "--plugin", tmp_path / "bad.py", "--strict-plugins")
    assert status == 2
    assert err.startswith("bench: plugin 'bad' of local file")


def test_only_the_toolkit_s_own_plugins_load_without_autoload(bench, halo):
    out = bench("plugins", "list", "--no-plugin-autoload", "--json")[1]
    assert {row["state"] for row in json.loads(out) if row["distribution"] == "huebench"} == {"on"}
    assert {row["state"] for row in json.loads(out) if row["distribution"] != "huebench"} <= {
        "off (--no-plugin-autoload)"
    }
    assert "halo" in bench("list", "methods", "--no-plugin-autoload", "--plugin", halo)[1]


def test_a_run_is_described_in_a_file_and_the_command_line_wins(bench, photographs, halo):
    lines = f"""
    [run]
    methods = ["halo", {{ name = "halo", level = [3, 4] }}]
    datasets = ["{photographs}"]
    metrics = ["absolute-error"]
    limit-test = 3
    out = "described"
    [plugins]
    paths = ["{halo}"]
    """
    Path("bench.toml").write_text(lines)
    status, _, err = bench("run", "--config", "bench.toml")
    assert status == 0, err
    scores = pd.read_parquet("described/scores.parquet")
    assert set(scores["method"]) == {"halo", "halo[level=3]", "halo[level=4]"}
    assert scores["image"].nunique() == 3
    assert (
        bench("--config", "bench.toml", "run", "--limit-test", "2", "-m", "grey", "--out", "other")[
            0
        ]
        == 0
    )
    scores = pd.read_parquet("other/scores.parquet")
    assert set(scores["method"]) == {"grey"}
    assert scores["image"].nunique() == 2
    assert "halo" in bench("list", "methods", "--config", "bench.toml")[1]


def test_a_config_that_is_wrong_is_one_line(bench):
    Path("bench.toml").write_text("[run]\nmetod = 'x'\n")
    assert bench("run", "--config", "bench.toml")[::2] == (
        2,
        bench("list", "--config", "bench.toml")[2],
    )
    assert (
        bench("run", "--config", "gone.toml")[2]
        == "bench: gone.toml is missing: give the path of a bench.toml\n"
    )


def test_every_verb_takes_the_options_of_plugins():
    from bench.cli import cli

    def verbs(group):
        for command in group.commands.values():
            yield from verbs(command) if hasattr(command, "commands") else [command]

    commands = list(verbs(cli))
    assert len(commands) > 15
    for command in commands:
        names = [parameter.name for parameter in command.params]
        assert names.count("plugin_paths") == names.count("config") == 1, command.name


def test_listing_and_checking_plugins_is_light():
    code = "import sys; from bench.cli import main\ntry:\n    main(['plugins', 'doctor'])\n"
    code += "except SystemExit as e:\n    assert not e.code\n"
    code += "assert not {'torch', 'lightning', 'sklearn', 'seaborn', 'pandas'} & set(sys.modules), 'heavy import'"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
