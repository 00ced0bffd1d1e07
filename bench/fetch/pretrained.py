"""Weights that others trained and publish: fetching them, and finding out whether a file is what it
should be."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bench.contracts import Progress
from bench.errors import BenchError, unknown
from bench.fetch import downloads
from bench.fetch.web import Limits
from bench.store.local import cache_folder

GIGABYTES = 0.13
"""Of each of the files: 32 million numbers."""


@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A published file. sha256: what its digest begins with, as its owners publish it; empty: they
    don't. inspect: `"module:function"`, called with a path; gives what there is to say of the file,
    or raises BenchError. use: how a run takes it, with `{path}` in it."""

    name: str
    summary: str
    file: str
    urls: tuple[str, ...]
    sha256: str
    licence: str
    inspect: str
    use: str


_ZHANG = {
    "licence": "BSD-2-Clause",
    "inspect": "bench.methods.zhang_weights:inspect",
    "use": "zhang[preset=paper,weights={path}]",
}
_CAFFE = "http://eecs.berkeley.edu/~rich.zhang/projects/2016_colorization/files"
KNOWN: Mapping[str, Pretrained] = MappingProxyType(
    {
        found.name: found
        for found in (
            Pretrained(
                name="zhang-eccv16",
                summary="Zhang et al. 2016, the authors' PyTorch port of their second release",
                sha256="9b330a0b",
                file="colorization_release_v2-9b330a0b.pth",
                urls=(
                    "https://colorizers.s3.us-east-2.amazonaws.com/colorization_release_v2-9b330a0b.pth",
                ),
                **_ZHANG,
            ),
            Pretrained(
                name="zhang-eccv16-caffe",
                summary="the same network as it was released first, for Caffe",
                sha256="",
                file="colorization_release_v2.caffemodel",
                urls=(f"{_CAFFE}/demo_v2/colorization_release_v2.caffemodel",),
                **_ZHANG,
            ),
            Pretrained(
                name="zhang-v1-caffe",
                summary="Zhang et al.'s first release, for Caffe: the paper's features are of it",
                sha256="",
                file="colorization_release_v1.caffemodel",
                urls=(f"{_CAFFE}/demo_v1/colorization_release_v1.caffemodel",),
                **_ZHANG,
            ),
        )
    }
)


def folder(given: Path | None = None) -> Path:
    """Where fetched weights are: what was given, `$BENCH_WEIGHTS`, or the platform's cache folder."""
    return given or (
        Path(os.environ["BENCH_WEIGHTS"])
        if os.environ.get("BENCH_WEIGHTS")
        else cache_folder() / "weights"
    )


def get(name: str) -> Pretrained:
    """A published file by name. BenchError with the nearest name for an unknown one."""
    if name not in KNOWN:
        raise unknown("weights", name, KNOWN)
    return KNOWN[name]


def fetch(
    name: str, where: Path | None, progress: Progress, urls: Sequence[str] = (), digest: str = ""
) -> Path:
    """Fetch a published file and look into it; its whole digest is recorded, and `verify` compares
    with it ever after.

    A file that is there already is verified instead. BenchError where the digest does not begin as
    published (`digest` demands a whole one) or the file is not what it should be; then nothing of
    it stays.
    """
    wanted, demanded = get(name), downloads.checked_digest(digest)
    place = folder(where) / wanted.file
    draft = place.with_name(f".fetched-{wanted.file}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with downloads.alone(draft, progress):
            if place.is_file():
                return _there(name, where, place, demanded, progress)
            found = downloads.fetch(
                urls or wanted.urls, draft, demanded, progress, Limits.of(GIGABYTES)
            )
            _begins(found.sha256, wanted, found.url)
            _inspected(wanted, draft)
            downloads.record(place.parent, "files", wanted.file, found.sha256)
            os.replace(draft, place)
    except OSError as error:
        raise BenchError(
            f"{place.parent} can't be written ({error.strerror or error}): give another --folder"
        ) from error
    return place


def _there(name: str, where: Path | None, place: Path, digest: str, progress: Progress) -> Path:
    verify(name, where)
    if digest and digest not in downloads.Fetched.of(place).digests:
        raise BenchError(
            f"{place} is there already, and is another file: its digest is not {digest}; move it "
            "away"
        )
    progress.say(f"{place} is there already, and whole")
    return place


def verify(name: str, where: Path | None) -> dict[str, str]:
    """What is known of a published file, by its name, or of any file that is said to be one, by its
    path. BenchError where it is not what it should be, or differs from what was fetched."""
    wanted = KNOWN.get(name) or next(
        (k for k in KNOWN.values() if k.file == Path(name).name), KNOWN["zhang-eccv16"]
    )
    path = folder(where) / wanted.file if name in KNOWN else Path(name)
    if not path.is_file():
        how = (
            f"`bench weights fetch {name}` brings it"
            if name in KNOWN
            else f"give a file, or one of {', '.join(KNOWN)}"
        )
        raise BenchError(f"weights {path} are not there: {how}")
    sha256 = downloads.Fetched.of(path).sha256
    if path.name == wanted.file:
        _begins(sha256, wanted, str(path))
    recorded = downloads.recorded(path.parent, "files").get(path.name)
    if recorded and recorded != sha256:
        raise BenchError(
            f"weights {path} are not what was fetched: {sha256} instead of {recorded}; remove the "
            "file, and fetch it "
            "again"
        )
    return {
        "file": str(path),
        "digest": sha256,
        "recorded": "the same" if recorded else "no",
        **_inspected(wanted, path),
    }


def _begins(sha256: str, wanted: Pretrained, where: str) -> None:
    if not sha256.startswith(f"sha256:{wanted.sha256}"):
        raise BenchError(
            f"{where} is not {wanted.name}: its digest is {sha256}, and must begin with "
            f"{wanted.sha256}"
        )


def _inspected(wanted: Pretrained, path: Path) -> dict[str, str]:
    module, _, name = wanted.inspect.partition(":")
    look: Callable[[Path], dict[str, str]] = getattr(importlib.import_module(module), name)
    return look(path)
