"""What methods may offer beside `present`, and whether they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench.contracts import SampleSet
from bench.errors import BenchError
from bench.testing.fitting import ROWS, SEEDS
from bench.testing.method_subject import MethodSubject
from bench.testing.results import Broken, describe

if TYPE_CHECKING:
    from torch import Tensor

COUNT = len(ROWS)


def wrong(subject: MethodSubject, name: str) -> str:
    """Why a capability does not work, or nothing. `Broken` where it fails in another way than a
    BenchError, undeclared."""
    try:
        return KNOWN[name](subject)
    except BenchError as error:
        return describe(error)
    except Exception as error:
        if name not in subject.spec.capabilities and name in REFUSED:
            raise Broken(
                f"{name} is not declared, and raises {describe(error)}",
                "leave it to the contract's class, which refuses with a BenchError",
            ) from error
        return describe(error)


def _sample(subject: MethodSubject) -> str:
    found = subject.distribution(ROWS, SEEDS).sample(2)
    return "" if isinstance(found, SampleSet) else f"it is a {type(found).__name__}, no SampleSet"


def _field(name: str) -> Callable[[MethodSubject], str]:
    def check(subject: MethodSubject) -> str:
        return _shaped(getattr(subject.distribution(ROWS, SEEDS), name)(), (COUNT, 2, 64, 64))

    return check


def _log_prob(subject: MethodSubject) -> str:
    truth = subject.session.ground.shown(ROWS).truth
    found = subject.distribution(ROWS, SEEDS).log_prob(truth)
    return _shaped(found, (COUNT,)) or ("it is NaN" if bool(found.isnan().any()) else "")


def _features(subject: MethodSubject) -> str:
    method: Any = subject.fitted.method
    return _shaped(
        method.features(subject.session.ground.shown(ROWS).grey), (COUNT, *method.feature_shape)
    )


def _encode(subject: MethodSubject) -> str:
    method: Any = subject.fitted.method
    mean, deviation = method.encode(subject.session.ground.shown(ROWS).truth)
    return _shaped(mean, (COUNT, method.d)) or _shaped(deviation, (COUNT, method.d))


def _decode(subject: MethodSubject) -> str:
    import torch

    method: Any = subject.fitted.method
    return _shaped(method.decode(torch.zeros(COUNT, method.d)), (COUNT, 2, 64, 64))


def _reconstruct(subject: MethodSubject) -> str:
    found = subject.fitted.method.reconstruct(subject.session.ground.shown(ROWS).truth, SEEDS)
    return "" if isinstance(found, SampleSet) else f"it is a {type(found).__name__}, no SampleSet"


def _shaped(found: Tensor, shape: tuple[int, ...]) -> str:
    return "" if tuple(found.shape) == shape else f"its shape is {tuple(found.shape)}, not {shape}"


KNOWN: dict[str, Callable[[MethodSubject], str]] = {
    "sample": _sample,
    "mean": _field("mean"),
    "mode": _field("mode"),
    "log_prob": _log_prob,
    "features": _features,
    "encode": _encode,
    "decode": _decode,
    "reconstruct": _reconstruct,
}
REFUSED = ("sample", "mean", "log_prob", "reconstruct")
"""What the contract's classes refuse unless a method defines it."""
