"""Published weights: fetched, held against their digest and looked into; and read by a network that
is written here once more."""

import hashlib
import io
import json
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from bench.contracts.colour_weights import bin_centres
from bench.fetch import pretrained
from bench.methods.nets.presets import PRESETS
from bench.methods.nets.zhang import ZhangNet
from bench.methods.zhang_weights import read_release

CHANNELS = (64, 128, 256, 512, 512, 512, 512)
STRIDES = ((1, 2), (1, 2), (1, 1, 2), (1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1))
DILATIONS = (1, 1, 1, 1, 2, 2, 1)


def tensors(seed=0):
    """Random weights under the names of the public PyTorch release (section 11 of the facts)."""
    generator = torch.Generator().manual_seed(seed)

    def convolution(name, *shape):
        fan_in = shape[0] * 16 if name == "model8.0" else shape[1] * shape[2] * shape[3]
        bias = shape[1] if name == "model8.0" else shape[0]
        return {
            f"{name}.weight": torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5,
            f"{name}.bias": torch.randn(bias, generator=generator) * 0.1,
        }

    found, before = {}, 1
    for block, (channels, strides) in enumerate(zip(CHANNELS, STRIDES, strict=True), start=1):
        for i in range(len(strides)):
            found |= convolution(f"model{block}.{2 * i}", channels, before, 3, 3)
            before = channels
        norm = f"model{block}.{2 * len(strides)}"
        found |= {
            f"{norm}.{part}": torch.rand(channels, generator=generator) + offset
            for part, offset in (
                ("weight", 0.5),
                ("bias", -0.5),
                ("running_mean", -0.5),
                ("running_var", 0.5),
            )
        }
    found |= convolution("model8.0", 512, 256, 4, 4)
    found |= convolution("model8.2", 256, 256, 3, 3) | convolution("model8.4", 256, 256, 3, 3)
    found |= convolution("model8.6", 313, 256, 1, 1)
    return found | {
        "model_out.weight": torch.from_numpy(bin_centres().T.copy())[:, :, None, None] / 110
    }


def logits(found, grey):
    """The network of the facts, function by function, in double precision."""
    held = {name: tensor.double() for name, tensor in found.items()}
    x = (grey.double() - 50) / 100
    for block, (strides, dilation) in enumerate(zip(STRIDES, DILATIONS, strict=True), start=1):
        for i, stride in enumerate(strides):
            name = f"model{block}.{2 * i}"
            x = functional.relu(
                functional.conv2d(
                    x, held[f"{name}.weight"], held[f"{name}.bias"], stride, dilation, dilation
                )
            )
        norm = f"model{block}.{2 * len(strides)}"
        mean, var, weight, bias = (
            held[f"{norm}.{p}"][:, None, None]
            for p in ("running_mean", "running_var", "weight", "bias")
        )
        x = (x - mean) / (var + 1e-5).sqrt() * weight + bias
    x = functional.relu(
        functional.conv_transpose2d(x, held["model8.0.weight"], held["model8.0.bias"], 2, 1)
    )
    for name in ("model8.2", "model8.4"):
        x = functional.relu(
            functional.conv2d(x, held[f"{name}.weight"], held[f"{name}.bias"], padding=1)
        )
    return functional.conv2d(x, held["model8.6.weight"], held["model8.6.bias"])


@pytest.fixture(scope="module")
def found():
    return tensors()


@pytest.fixture(scope="module")
def release(found):
    stream = io.BytesIO()
    torch.save(found, stream)
    return stream.getvalue()


@pytest.fixture
def known(monkeypatch, release, tmp_path, site):
    """The published file, as if its owners had published this one on a server here."""
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path / "weights"))
    site.files["/w.pth"] = release
    made = replace(
        pretrained.get("zhang-eccv16"),
        urls=(f"{site.url}/w.pth",),
        sha256=hashlib.sha256(release).hexdigest()[:8],
    )
    declare(monkeypatch, made)
    return made


def declare(monkeypatch, weights):
    """The registered plugins declare this file in the place of the one of its name."""
    every = {**pretrained.known(), weights.name: weights}
    monkeypatch.setattr(pretrained, "known", lambda: every)


def left(folder):
    return sorted(p.name for p in folder.rglob("*"))


def test_a_release_gives_the_logits_of_a_second_implementation(found, release, tmp_path):
    (tmp_path / "release.pth").write_bytes(release)
    network = ZhangNet(PRESETS["paper"]).eval()
    assert read_release(tmp_path / "release.pth", network) < 1e-4
    grey = 100 * torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = logits(found, grey)
    assert expected.std() > 0.1
    with torch.inference_mode():
        torch.testing.assert_close(network.double()(grey.double()), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(
            network.float()(grey).double(),
            expected,
            atol=1e-5 * float(expected.abs().max()),
            rtol=1e-5,
        )


def test_published_weights_are_fetched_verified_and_recorded(command, known, tmp_path):
    status, out, err = command("weights", "fetch", "zhang-eccv16")
    assert status == 0, err
    path = tmp_path / "weights" / known.file
    assert out == f"zhang-eccv16: {path}\nuse it: -m 'zhang[preset=paper,weights={path}]'\n"
    assert left(tmp_path / "weights") == sorted([known.file, "fetched.json"])
    status, out, _ = command("weights", "verify", "zhang-eccv16")
    assert status == 0
    said = dict(line.split(None, 1) for line in out.splitlines() if " " in line)
    assert said["recorded"] == "the same"
    assert "the 313 centres" in out
    assert command("weights", "fetch", "zhang-eccv16")[0] == 0  # it is there
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    for verb in ("verify", "fetch"):
        status, out, err = command("weights", verb, "zhang-eccv16")
        assert (status, out) == (2, "")
        assert len(err.splitlines()) == 1
        assert "must begin with" in err


def test_what_is_recorded_at_first_counts_where_nobody_publishes_a_digest(
    command, known, tmp_path, monkeypatch
):
    declare(monkeypatch, replace(known, sha256=""))
    assert command("weights", "fetch", "zhang-eccv16")[0] == 0
    record = tmp_path / "weights" / "fetched.json"
    kept = json.loads(record.read_text())
    kept["files"][known.file] = f"sha256:{'0' * 64}"
    record.write_text(json.dumps(kept))
    status, _, err = command("weights", "verify", "zhang-eccv16")
    assert status == 2
    assert "are not what was fetched" in err


@pytest.mark.parametrize("case", ["digest", "centres", "page", "digest given"])
def test_weights_that_are_not_what_they_should_be_leave_nothing(
    command, known, found, site, tmp_path, monkeypatch, case
):
    more = []
    if case == "centres":
        stream = io.BytesIO()
        torch.save(found | {"model_out.weight": found["model_out.weight"].flip(1)}, stream)
        site.files["/w.pth"] = stream.getvalue()
    elif case == "page":
        site.files["/w.pth"] = b"<html>moved</html>"
    elif case == "digest given":
        more = ["--digest", f"sha256:{'0' * 64}"]
    if case in ("centres", "page"):
        begins = hashlib.sha256(site.files["/w.pth"]).hexdigest()[:8]
        declare(monkeypatch, replace(known, sha256=begins))
    elif case == "digest":
        declare(monkeypatch, replace(known, sha256="9b330a0b"))
    status, out, err = command("weights", "fetch", "zhang-eccv16", *more)
    assert (status, out) == (2, "")
    said = {
        "digest": "must begin with 9b330a0b",
        "centres": "other colours",
        "page": "no PyTorch checkpoint",
        "digest given": "another file",
    }
    assert said[case] in err.splitlines()[-1]
    assert "Traceback" not in err
    assert left(tmp_path / "weights") == []


def test_lists_and_names(command, known):
    status, out, _ = command("weights", "list")
    assert status == 0
    assert out.splitlines()[1].startswith("zhang-eccv16  ")
    status, _, err = command("weights", "fetch", "zhang-eccv61")
    assert status == 2
    assert "did you mean 'zhang-eccv16'" in err
    for name, said in (("zhang-eccv16", "brings it"), ("nope.pth", "give a file")):
        status, _, err = command("weights", "verify", name)
        assert status == 2
        assert said in err


def test_a_digest_that_is_demanded_of_what_is_there_is_compared(command, known, tmp_path):
    status, _, err = command("weights", "fetch", "zhang-eccv16", "--folder", tmp_path / "w")
    assert status == 0, err
    status, _, err = command(
        "weights",
        "fetch",
        "zhang-eccv16",
        "--folder",
        tmp_path / "w",
        "--digest",
        f"sha256:{'0' * 64}",
    )
    assert status == 2
    assert "another file" in err
    status, _, err = command(
        "weights", "fetch", "zhang-eccv16", "--folder", tmp_path / "w", "--digest", "nonsense"
    )
    assert status == 2
    assert "is no digest" in err


def test_a_folder_that_can_not_be_made_is_said(command, known, tmp_path):
    (tmp_path / "file").write_text("")
    status, _, err = command(
        "weights", "fetch", "zhang-eccv16", "--folder", tmp_path / "file" / "w"
    )
    assert status == 2
    assert "can't be written" in err
    assert len(err.splitlines()) == 1


PLUGIN = '''
from bench.errors import BenchError
from bench.hookspecs import hookimpl
from bench.specs import MetricSpec, Weights


@hookimpl
def bench_register_metrics():
    """A metric with published weights."""
    yield MetricSpec(
        name="smooth", summary="smooth", factory=":Smooth", unit="", direction="up",
        accepts=frozenset({"iid"}),
        weights=(
            Weights(
                name="NAME", summary="of a plugin", file="smooth.bin", urls=("URL",),
                inspect=":inspect", use="--metrics 'smooth[weights={path}]'", licence="MIT",
            ),
        ),
    )


def inspect(path):
    if path.read_bytes()[:6] != b"smooth":
        raise BenchError("not smooth at all")
    return {"bytes": str(path.stat().st_size)}
'''


def plugin(folder, site, name="smooth-1"):
    (folder / "smooth.py").write_text(
        PLUGIN.replace("NAME", name).replace("URL", f"{site.url}/smooth.bin")
    )
    return "--plugin", folder / "smooth.py"


def test_any_plugin_declares_weights(command, site, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path / "weights"))
    site.files["/smooth.bin"] = b"smooth!"
    given = plugin(tmp_path, site)
    assert "smooth-1  " in command("weights", "list", *given)[1]
    status, out, err = command("weights", "fetch", "smooth-1", *given)
    assert status == 0, err
    path = tmp_path / "weights" / "smooth.bin"
    assert out == f"smooth-1: {path}\nuse it: --metrics 'smooth[weights={path}]'\n"
    (tmp_path / "other.bin").write_bytes(b"smooth, too")
    for name, size in (("smooth-1", 7), (tmp_path / "other.bin", 11)):
        status, out, err = command("weights", "verify", name, *given)
        assert (status, err) == (0, "")
        assert out.splitlines()[-1].split() == ["bytes", str(size)]
    site.files["/smooth.bin"] = b"rough"
    status, _, err = command("weights", "fetch", "smooth-1", "--folder", tmp_path / "w", *given)
    assert (status, err.splitlines()[-1]) == (2, "bench: not smooth at all")
    assert left(tmp_path / "w") == []


def test_weights_of_one_name_are_refused(command, site, tmp_path):
    status, _, err = command("weights", "list", *plugin(tmp_path, site, "zhang-eccv16"))
    assert status == 2
    assert "weights zhang-eccv16 are declared twice" in err
