"""Reading the public releases of Zhang's network; nothing is ever unpickled but tensors."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.contracts.colour_weights import bin_centres
from bench.errors import BenchError

from .nets.presets import PRESETS
from .nets.zhang import ZhangNet

Tensors = dict[str, Tensor]

AB_NORM = 110.0
NEEDS = "take the release of Zhang et al. 2016 (ECCV), unchanged"
PARTS = ("weight", "bias", "running_mean", "running_var")
COUNTER = ".num_batches_tracked"
IGNORED = {"class8_ab", "conv8_313_rh"}
"""Caffe layers after the logits: the centres, overwritten at run time, and the constant 1/T."""


def inspect(path: Path) -> dict[str, str]:
    """What is found in a release: every layer as it should be, and whether its fixed last layer
    (`model_out.weight` times 110) holds our 313 centres. BenchError for anything else."""
    network = ZhangNet(PRESETS["paper"])
    centres = read_release(path, network)
    count = sum(parameter.numel() for parameter in network.parameters())
    said = "none in the file" if centres is None else f"the 313 centres, to {centres:.1g}"
    return {"layers": f"all there: {count:,} parameters", "colours of the last layer": said}


def read_release(path: Path, network: ZhangNet) -> float | None:
    """Load a checkpoint of the public release into a network of preset paper; all of it, or
    BenchError and nothing.

    `.pth` or `.pt` (PyTorch port) and `.safetensors` have the network's own names; `.caffemodel` is
    the original. The temperature is not in any of them. Caffe's v2 prototxt multiplies the logits
    by 1/T = 2.606 before its softmax: divide the logits by `mean_temperature` = 0.38 for its
    annealed mean, and by `temperature` = 1 for the distribution that was trained. The PyTorch port
    has no such layer, and whether 2.606 is folded into its last convolution can't be told without
    the file: if its means look grey, T = 1 was meant to be 0.38; if they look patchy, 0.38 counts
    twice.

    Returns how far the colours of its fixed last layer are from ours, at most, or None where it has
    none.
    """
    readers = {
        ".pth": _read_torch,
        ".pt": _read_torch,
        ".safetensors": _read_safetensors,
        ".caffemodel": _read_caffe,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise BenchError(
            f"weights {path}: unknown suffix '{path.suffix}' (known: {', '.join(readers)})"
        )
    try:
        found = reader(path)
    except OSError as error:
        raise BenchError(
            f"weights {path} can't be read ({error.strerror or 'damaged file'})"
        ) from error
    own = network.state_dict()
    centres = found.pop("model_out.weight", None)
    wrong = _first_mismatch(own, found) or _wrong_centres(centres)
    if wrong:
        raise BenchError(f"weights {path}: {wrong}; {NEEDS}")
    network.load_state_dict(own | {k: v for k, v in found.items() if not k.endswith(COUNTER)})
    return (
        None
        if centres is None
        else float((_colours(centres) - torch.from_numpy(bin_centres())).abs().max())
    )


def _first_mismatch(own: Tensors, found: Tensors) -> str | None:
    """The first difference in the order of the network, or None."""
    for name in sorted(own.keys() | found.keys(), key=_place):
        if name not in own:
            return f"unexpected {name[:60]!r} ({_shape(found[name])})"
        if name.endswith(COUNTER):
            continue
        if name not in found:
            return f"{name} is missing (expected {_shape(own[name])})"
        if found[name].shape != own[name].shape:
            return f"{name}: expected {_shape(own[name])}, found {_shape(found[name])}"
    return None


def _wrong_centres(weight: Tensor | None) -> str | None:
    """Why the last, fixed layer is not that of our 313 colours, or None."""
    if weight is None:
        return None
    centres = torch.from_numpy(bin_centres()).T[:, :, None, None]
    if weight.shape != centres.shape:
        return f"model_out.weight: expected {_shape(centres)}, found {_shape(weight)}"
    if not torch.allclose(_colours(weight), centres[:, :, 0, 0].T, rtol=0, atol=1e-3):
        return "model_out.weight holds other colours, or another order of them, than the 313 bin centres"
    return None


def _colours(weight: Tensor) -> Tensor:
    """The last layer's colours `(313, 2)`."""
    return weight.float()[:, :, 0, 0].T * AB_NORM


def _place(name: str) -> tuple[float, float, float, str]:
    """Where a parameter is in the network; strangers come last."""
    match = re.fullmatch(r"model(\d+)\.(\d+)\.(\w+)", name)
    if not match:
        return math.inf, 0, 0, name
    part = match[3]
    return int(match[1]), int(match[2]), PARTS.index(part) if part in PARTS else len(PARTS), name


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"


def _read_torch(path: Path) -> Tensors:
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is refused below anyway
            held = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # the restricted unpickler meets damage with many kinds of exception
        raise BenchError(
            f"weights {path}: no PyTorch checkpoint of nothing but tensors; {NEEDS}"
        ) from error
    if not isinstance(held, dict):
        raise BenchError(
            f"weights {path}: holds a {type(held).__name__}, not named tensors; {NEEDS}"
        )
    for name, value in held.items():
        if not (isinstance(name, str) and isinstance(value, Tensor) and _is_plain(name, value)):
            kind = type(value).__name__
            raise BenchError(
                f"weights {path}: {str(name)[:60]!r} is a {kind}, not a plain tensor; {NEEDS}"
            )
    return dict(held)


def _is_plain(name: str, value: Tensor) -> bool:
    dense = value.layout == torch.strided and value.device.type == "cpu"
    return dense and (value.is_floating_point() or name.endswith(COUNTER))


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: Tensors = load_file(path)
    except SafetensorError as error:
        raise BenchError(
            f"weights {path}: no safetensors file ({str(error).splitlines()[0]}); {NEEDS}"
        ) from error
    return found


def _read_caffe(path: Path) -> Tensors:
    """A caffemodel's blobs under our names. Caffe saw L - 50 where we see (L - 50) / 100; its norms
    have no affine."""
    data = path.read_bytes()
    found: Tensors = {}
    try:
        for name, blobs in _layers(memoryview(data)):
            if blobs and name not in IGNORED:
                found |= _renamed(name, blobs)
    except (ValueError, IndexError) as error:
        raise BenchError(f"weights {path}: no whole caffemodel ({error}); {NEEDS}") from error
    if "model1.0.weight" in found:
        found["model1.0.weight"] = found["model1.0.weight"] * 100
    return found


def _renamed(layer: str, blobs: list[Tensor]) -> Tensors:
    module = CAFFE.get(layer)
    if module is None:
        return {f"{layer}.{i}": blob for i, blob in enumerate(blobs)}
    if layer.endswith("norm"):
        return _norm(module, blobs)
    named = dict(zip((f"{module}.weight", f"{module}.bias"), map(_trim, blobs, (4, 1))))
    return named | _rest(module, blobs[2:])


def _norm(module: str, blobs: list[Tensor]) -> Tensors:
    """Mean, variance, and the factor that both are still to be divided by."""
    factor = float(blobs[2].flatten()[0]) if len(blobs) > 2 and blobs[2].numel() else 1.0
    scale = 1 / factor if factor else 0.0  # Caffe's own rule for a norm that never saw a batch
    values = [_trim(blob, 1) * scale for blob in blobs[:2]]
    affine = {
        f"{module}.weight": torch.ones_like(values[0]),
        f"{module}.bias": torch.zeros_like(values[0]),
    }
    return (
        affine
        | dict(zip((f"{module}.running_mean", f"{module}.running_var"), values))
        | _rest(module, blobs[3:])
    )


def _rest(module: str, blobs: list[Tensor]) -> Tensors:
    return {f"{module}.extra{i}": blob for i, blob in enumerate(blobs)}


def _trim(blob: Tensor, rank: int) -> Tensor:
    """Old files give every blob four axes: drop leading ones."""
    while blob.ndim > rank and blob.shape[0] == 1:
        blob = blob[0]
    return blob


def _names() -> dict[str, str]:
    names = {}
    for block, convolutions in enumerate((2, 2, 3, 3, 3, 3, 3, 3), start=1):
        for i in range(convolutions):
            names[f"{'bw_' if block == 1 and i == 0 else ''}conv{block}_{i + 1}"] = (
                f"model{block}.{2 * i}"
            )
        names[f"conv{block}_{convolutions}norm"] = f"model{block}.{2 * convolutions}"
    del names["conv8_3norm"]
    return names | {"conv8_313": "model8.6"}


CAFFE = _names()
"""Caffe's layer names to our modules."""


def _layers(net: memoryview) -> Iterator[tuple[str, list[Tensor]]]:
    """Names and blobs of a NetParameter's layers: field 100, or 2 in old files."""
    for number, layer in _messages(net, 100, 2):
        name_field, blobs_field = (1, 7) if number == 100 else (4, 6)
        name = "".join(bytes(m).decode() for _, m in _messages(layer, name_field))
        yield name, [_blob(m) for _, m in _messages(layer, blobs_field)]


def _blob(message: memoryview) -> Tensor:
    """A BlobProto: shape = 7 or num, channels, height, width = 1 to 4; data = 5."""
    old = [v for n, v in _fields(message) if n in (1, 2, 3, 4) and isinstance(v, int)]
    shapes = [_dimensions(m) for _, m in _messages(message, 7)]
    shape = shapes[-1] if shapes else old
    data = np.frombuffer(
        b"".join(m for _, m in _messages(message, 5)), "<f4"
    )  # one piece, or one a number
    if math.prod(shape) != data.size:
        raise ValueError(f"a blob of shape {shape} holds {data.size} numbers")
    return torch.from_numpy(data.astype(np.float32)).reshape(shape)


def _dimensions(message: memoryview) -> list[int]:
    found = []
    for number, value in _fields(message):
        if number == 1:
            found += [value] if isinstance(value, int) else list(_varints(value))
    return found


def _messages(data: memoryview, *wanted: int) -> Iterator[tuple[int, memoryview]]:
    for number, value in _fields(data):
        if number in wanted and isinstance(value, memoryview):
            yield number, value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values of a protobuf message: whole numbers, or the bytes of anything else."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire not in (1, 2, 5):
            raise ValueError(f"wire type {wire}")
        size, position = _varint(data, position) if wire == 2 else (8 if wire == 1 else 4, position)
        if position + size > len(data):
            raise ValueError("cut off")
        yield number, data[position : position + size]
        position += size


def _varints(data: memoryview) -> Iterator[int]:
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        yield value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while data[position] & 128:
        if shift > 56:
            raise ValueError("a whole number of more than 64 bits")
        value |= (data[position] & 127) << shift
        position, shift = position + 1, shift + 7
    return value | data[position] << shift, position + 1
