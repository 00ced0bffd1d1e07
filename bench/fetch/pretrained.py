"""Weights that others trained and publish: fetching them, and finding out whether a file is what it
should be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.contracts import Progress
from bench.errors import BenchError, unknown
from bench.fetch import downloads
from bench.fetch.web import Limits
from bench.plugins.loader import registry
from bench.specs import Weights
from bench.store.local import cache_folder


def known() -> dict[str, Weights]:
    """The published files that plugins declare, by name. BenchError where two have one name."""
    found: dict[str, Weights] = {}
    for spec in (spec for specs in registry().specs.values() for spec in specs.values()):
        for weights in spec.weights:
            if found.setdefault(weights.name, weights) != weights:
                raise BenchError(
                    f"weights {weights.name} are declared twice, by {spec.name} and another: leave "
                    "one out with --no-plugin"
                )
    return found


def folder(given: Path | None = None) -> Path:
    """Where fetched weights are: what was given, `$BENCH_WEIGHTS`, or the platform's cache folder."""
    return given or (
        Path(os.environ["BENCH_WEIGHTS"])
        if os.environ.get("BENCH_WEIGHTS")
        else cache_folder() / "weights"
    )


def get(name: str) -> Weights:
    """A published file by name. BenchError with the nearest name for an unknown one."""
    if name not in (every := known()):
        raise unknown("weights", name, every)
    return every[name]


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
                urls or wanted.urls, draft, demanded, progress, Limits.of(wanted.gigabytes)
            )
            _begins(found.sha256, wanted, found.url)
            wanted.look(draft)
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
    every = known()
    wanted = every.get(name) or next(
        (each for each in every.values() if each.file == Path(name).name), None
    )
    path = folder(where) / wanted.file if wanted and name in every else Path(name)
    if not path.is_file():
        how = (
            f"`bench weights fetch {name}` brings it"
            if name in every
            else f"give a file, or one of {', '.join(every)}"
        )
        raise BenchError(f"weights {path} are not there: {how}")
    sha256 = downloads.Fetched.of(path).sha256
    if wanted:
        _begins(sha256, wanted, str(path))
    recorded = downloads.recorded(path.parent, "files").get(path.name)
    if recorded and recorded != sha256:
        raise BenchError(
            f"weights {path} are not what was fetched: {sha256} instead of {recorded}; remove the "
            "file, and fetch it again"
        )
    return {
        "file": str(path),
        "digest": sha256,
        "recorded": "the same" if recorded else "no",
        **_looked(path, [wanted] if wanted else every.values()),
    }


def _begins(sha256: str, wanted: Weights, where: str) -> None:
    if not sha256.startswith(f"sha256:{wanted.sha256}"):
        raise BenchError(
            f"{where} is not {wanted.name}: its digest is {sha256}, and must begin with "
            f"{wanted.sha256}"
        )


def _looked(path: Path, candidates: Iterable[Weights]) -> dict[str, str]:
    """What there is to say of a file that may be any of these: the first that it is. Else the first
    BenchError."""
    refusal = BenchError(f"weights {path}: no plugin that is loaded knows published weights")
    for i, each in enumerate({each.inspect: each for each in candidates}.values()):
        try:
            return each.look(path)
        except BenchError as error:
            refusal = error if i == 0 else refusal
    raise refusal
