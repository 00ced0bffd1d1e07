"""Checkpoints of the public release, made up here in all formats, and files that are none."""

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bench.contracts.colour_weights import bin_centres
from bench.errors import BenchError
from bench.methods.nets.presets import PRESETS
from bench.methods.nets.zhang import ZhangNet
from bench.methods.zhang_weights import CAFFE, read_release

MODULES = {module: layer for layer, module in CAFFE.items()}


def filled(preset, affine=True):
    """A network whose norms hold more than ones and zeros; Caffe's have no affine part."""
    torch.manual_seed(3)
    network = ZhangNet(PRESETS[preset])
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.uniform_(-0.1, 0.1)
        norm.running_var.uniform_(0.01, 0.1)
        if affine:
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    return network.eval()


def released(network):
    """The state of the PyTorch port: no counters, and the centres as a last layer."""
    state = {
        k: v.detach().clone() for k, v in network.state_dict().items() if "num_batches" not in k
    }
    return state | {
        "model_out.weight": torch.from_numpy(bin_centres().T.copy())[:, :, None, None] / 110
    }


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def message(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def blob(array, old=False):
    array = np.asarray(array, dtype="<f4")
    if old:  # four axes; each number on its own
        shape = (1,) * (4 - array.ndim) + array.shape
        axes = b"".join(varint(i << 3) + varint(n) for i, n in enumerate(shape, start=1))
        return axes + b"".join(varint(5 << 3 | 5) + v.tobytes() for v in array.ravel())
    return message(7, message(1, b"".join(map(varint, array.shape)))) + message(5, array.tobytes())


def layer(name, blobs, old=False):
    if old:
        kind = varint(5 << 3) + varint(4)
        return message(
            2, message(4, name.encode()) + kind + b"".join(message(6, blob(b, True)) for b in blobs)
        )
    kind = message(2, b"Convolution")
    return message(
        100, message(1, name.encode()) + kind + b"".join(message(7, blob(b)) for b in blobs)
    )


def layers(network, factor=0.5):
    """Caffe's layers of a network: its input is L - 50, its norms keep sums and a factor."""
    found = [("data", [])]
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            found.append(
                (
                    MODULES[name],
                    [
                        module.running_mean * factor,
                        module.running_var * factor,
                        torch.tensor([factor]),
                    ],
                )
            )
        elif name in MODULES:
            scale = 0.01 if name == "model1.0" else 1
            found.append((MODULES[name], [module.weight.detach() * scale, module.bias.detach()]))
    return [
        *found,
        ("conv8_313_rh", [torch.tensor([2.606])]),
        ("class8_ab", [torch.zeros(2, 313, 1, 1), torch.zeros(2)]),
    ]


def caffe(named, old=False):
    named = [
        (n, [b.numpy() if isinstance(b, torch.Tensor) else b for b in blobs]) for n, blobs in named
    ]
    return message(1, b"net") + b"".join(layer(n, blobs, old) for n, blobs in named)


def write(path, network):
    if path.suffix == ".caffemodel":
        path.write_bytes(caffe(layers(network)))
    elif path.suffix == ".safetensors":
        save_file(released(network), path)
    else:
        torch.save(released(network), path, _use_new_zipfile_serialization=path.suffix == ".pth")
    return path


def same_logits(one, other, size):
    grey = 100 * torch.rand(1, 1, size, size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = one(grey)
        assert expected.std() > 1e-3
        torch.testing.assert_close(other.eval()(grey), expected, atol=1e-4, rtol=1e-4)


def refused(path, network=None):
    """The one line of the error; the network is as it was."""
    network = network or ZhangNet(PRESETS["tiny"])
    before = {k: v.clone() for k, v in network.state_dict().items()}
    with pytest.raises(BenchError, match=f"^weights .*{path.name}") as caught:
        read_release(path, network)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 500
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
    return line


@pytest.fixture(scope="module")
def tiny():
    return filled("tiny")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".caffemodel"])
def test_a_full_size_release_gives_its_logits(tmp_path, suffix):
    source = filled("paper", affine=suffix != ".caffemodel")
    path = write(tmp_path / f"release{suffix}", source)
    network = ZhangNet(PRESETS["paper"])
    read_release(path, network)
    path.unlink()
    same_logits(source, network, 64)


@pytest.mark.parametrize("name", ["legacy.pt", "old.caffemodel", "UPPER.PTH"])
def test_older_formats(tmp_path, name):
    source = filled("tiny", affine="caffe" not in name)
    path = tmp_path / name
    if "caffe" in name:
        path.write_bytes(caffe(layers(source), old=True))
    else:
        torch.save(released(source), path, _use_new_zipfile_serialization="legacy" not in name)
    network = ZhangNet(PRESETS["tiny"])
    read_release(path, network)
    same_logits(source, network, 64)


def test_counters_and_the_centres_may_be_there_or_not(tmp_path, tiny):
    for number, state in enumerate(
        (tiny.state_dict(), {k: v for k, v in released(tiny).items() if "out" not in k})
    ):
        path = tmp_path / f"{number}.pth"
        torch.save(state, path)
        network = ZhangNet(PRESETS["tiny"])
        read_release(path, network)
        same_logits(tiny, network, 32)


def test_half_precision_is_widened(tmp_path, tiny):
    path = tmp_path / "half.safetensors"
    save_file({k: v.half() for k, v in released(tiny).items() if "out" not in k}, path)
    network = ZhangNet(PRESETS["tiny"])
    read_release(path, network)
    assert network.model1[0].weight.dtype == torch.float32


def changed(state, name, value=None):
    return {
        k: v if k != name else value for k, v in state.items() if k != name or value is not None
    }


def damaged(tiny):
    """Damaged states, and the words that name their first mismatch."""
    state = released(tiny)
    two = changed(changed(state, "model5.2.bias"), "model2.4.running_var")
    extra = state | {"model3.8.weight": torch.zeros(3), "zebra": torch.zeros(1)}
    shape = changed(state, "model8.0.weight", torch.zeros(64, 32, 3, 3))
    other = state | {"model_out.weight": torch.zeros(2, 529, 1, 1)}
    return {
        "missing": (two, "model2.4.running_var is missing (expected 16)"),
        "shape": (shape, "model8.0.weight: expected 64x32x4x4, found 64x32x3x3"),
        "extra": (extra, "unexpected 'model3.8.weight' (3)"),
        "shape before extra": (
            changed(extra, "model1.0.bias", torch.zeros(9)),
            "model1.0.bias: expected 8, found 9",
        ),
        "line break": (state | {"a\nb": torch.zeros(())}, r"unexpected 'a\nb' (a single number)"),
        "order": (state | {"model_out.weight": state["model_out.weight"].flip(1)}, "another order"),
        "centres": (other, "model_out.weight: expected 2x313x1x1, found 2x529x1x1"),
        "other width": (
            released(filled("small")),
            "model1.0.weight: expected 8x1x3x3, found 16x1x3x3",
        ),
        "empty": ({}, "model1.0.weight is missing"),
    }


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "case",
    [
        "missing",
        "shape",
        "extra",
        "shape before extra",
        "line break",
        "order",
        "centres",
        "other width",
        "empty",
    ],
)
def test_the_first_mismatch_is_named(tmp_path, tiny, suffix, case):
    state, words = damaged(tiny)[case]
    path = tmp_path / f"wrong{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file({k: v.contiguous() for k, v in state.items()}, path)
    assert words in refused(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda named: [(n, b) for n, b in named if n != "conv2_1"], "model2.0.weight is missing"),
        (
            lambda named: [(n, b[:1] if n == "conv4_3" else b) for n, b in named],
            "model4.4.bias is missing",
        ),
        (
            lambda named: [(n, b[:1] if n == "conv4_3norm" else b) for n, b in named],
            "model4.6.running_var is missing",
        ),
        (
            lambda named: [
                (n, [b[0][:, :, :2], b[1]] if n == "bw_conv1_1" else b) for n, b in named
            ],
            "model1.0.weight: expected 8x1x3x3, found 8x1x2x3",
        ),
        (lambda named: [*named, ("conv9_1", [torch.zeros(2)])], "unexpected 'conv9_1.0' (2)"),
        (
            lambda named: [(n, [*b, torch.zeros(1)] if n == "conv7_3" else b) for n, b in named],
            "unexpected 'model7.4.extra0' (1)",
        ),
    ],
)
def test_the_first_mismatch_of_a_caffemodel_is_named(tmp_path, tiny, change, words):
    path = tmp_path / "wrong.caffemodel"
    path.write_bytes(caffe(change(layers(tiny))))
    assert words in refused(path)


def test_a_norm_of_factor_zero_is_read_as_caffe_does(tmp_path, tiny):
    path = tmp_path / "zero.caffemodel"
    path.write_bytes(caffe(layers(tiny, factor=0.0)))
    network = ZhangNet(PRESETS["tiny"])
    read_release(path, network)
    assert network.model3[6].running_mean.tolist() == [0] * 32


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors", ".caffemodel"])
@pytest.mark.parametrize(
    "kind", ["empty", "zeros", "ones", "random", "zip", "cut off", "missing", "folder"]
)
def test_files_that_are_no_checkpoint(tmp_path, tiny, suffix, kind):
    path = tmp_path / f"bad{suffix}"
    if kind == "folder":
        path.mkdir()
    elif kind == "cut off":
        data = write(path, tiny).read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif kind != "missing":
        content = {
            "empty": b"",
            "zeros": bytes(500),
            "ones": b"\xff" * 5000,
            "random": np.random.default_rng(1).bytes(4000),
            "zip": b"PK\x03\x04" + bytes(60),
        }
        path.write_bytes(content[kind])
    refused(path)


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes_are_no_caffemodel(tmp_path, seed):
    path = tmp_path / "random.caffemodel"
    rng = np.random.default_rng(seed)
    head = message(100, rng.bytes(20)) if seed % 2 else b""
    path.write_bytes(head + rng.bytes(50))
    refused(path)


def test_a_blob_whose_numbers_do_not_fill_its_shape(tmp_path):
    path = tmp_path / "short.caffemodel"
    one = message(7, message(1, varint(5))) + message(5, struct.pack("<3f", 1, 2, 3))
    path.write_bytes(message(100, message(1, b"bw_conv1_1") + message(7, one)))
    assert "shape [5] holds 3 numbers" in refused(path)


class Trap:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("where", ["whole", "value"])
def test_nothing_but_tensors_is_unpickled(tmp_path, tiny, how, where):
    sprung, path = tmp_path / "sprung", tmp_path / "trap.pth"
    held = Trap(sprung) if where == "whole" else released(tiny) | {"model1.0.bias": Trap(sprung)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(held))
    else:
        torch.save(held, path, _use_new_zipfile_serialization=how == "zip")
    assert "nothing but tensors" in refused(path)
    assert not sprung.exists()


@pytest.mark.parametrize(
    "held",
    [
        [torch.zeros(3)],
        torch.zeros(3),
        7,
        {"state_dict": {"a": torch.zeros(1)}},
        {1: torch.zeros(1)},
        {"model1.0.weight": torch.zeros(8, 1, 3, 3).to_sparse()},
        {"model1.0.weight": torch.zeros(8, 1, 3, 3, dtype=torch.int64)},
    ],
)
def test_harmless_objects_that_are_no_named_tensors(tmp_path, held):
    path = tmp_path / "other.pth"
    torch.save(held, path)
    assert "tensor" in refused(path)


def test_an_unknown_suffix(tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"")
    assert "unknown suffix '.h5' (known: .pth, .pt, .safetensors, .caffemodel)" in refused(path)


def test_zhang_takes_a_release_instead_of_training(tmp_path, house):
    path = write(tmp_path / "release.pth", filled("paper"))
    context = house.context()
    method = house.fit_again("zhang", context, preset="paper", weights=str(path))
    assert context.notes == {"weights": "release.pth"}
    assert not method.network.training
    same_logits(filled("paper"), method.network, 32)
    with pytest.raises(BenchError, match="needs preset=paper, not small"):
        house.fit_again("zhang", preset="small", weights=str(path))
