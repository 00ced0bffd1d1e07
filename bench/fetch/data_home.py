"""What lies in the data home: fetching a data set as its owners distribute it, and saying whether
it is whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from bench import keys
from bench.contracts import Dataset, Progress
from bench.contracts.request import Request
from bench.data import duplicates, splits
from bench.data import source as data_source
from bench.engine import planning, runner
from bench.errors import BenchError
from bench.fetch import archives, downloads
from bench.fetch.downloads import Fetched, NotFetched
from bench.fetch.web import Limits
from bench.plugins.loader import Registry, registry
from bench.specs import DatasetSpec, Download
from bench.store import digests, records
from bench.store.files import write_for_user

LOCK = "lock.mdb"
"""What readers of an LMDB write."""
SAME = "the same"
ROOM = ".fetching"
"""In the data home: what is not known to be sound."""


class _Recorded(TypedDict, total=False):
    """What is relied on of what is known of a fetched data set. files: of a folder."""

    sha256: str
    files: dict[str, digests.FileMark]


def fetch(
    name: str,
    home: Path | None,
    progress: Progress,
    urls: Sequence[str] = (),
    digest: str = "",
    file: Path | None = None,
) -> Path:
    """Bring a data set's file into the data home: from its mirrors, in order, or from `urls`, or a
    `file` that is here already.

    It is held against the published digest, or `digest`; a file from elsewhere that differs from
    the published one is taken, and that is said. What is damaged or refused
    (`bench.fetch.archives`) leaves nothing behind. BenchError where there is nothing to fetch, or
    it is there already.
    """
    spec = _spec(name)
    wanted = _download(spec)
    home = runner.data_home(home)
    place = home / (wanted.folder or wanted.file)
    there = BenchError(
        f"{place} is there already: `bench data check {name}` says whether it is whole; to fetch "
        "it again, move it "
        "away"
    )
    if place.exists() and not (home / ROOM).exists():  # else a fetch was killed at its very end
        raise there
    if not (urls or file or wanted.urls):
        raise BenchError(
            f"dataset {name} can't be fetched without its owners' leave: {_steps(name, wanted)}"
        )
    demanded = downloads.checked_digest(digest) or ("" if urls or file else wanted.digest)
    with _room(home, wanted.file, progress) as draft:
        if place.exists():
            downloads.forget(draft)
            raise there
        found = (
            _copied(file, draft, demanded)
            if file
            else _fetched(name, urls, wanted, draft, demanded, progress)
        )
        known = bool(wanted.digest) and wanted.digest in found.digests
        if not known and wanted.digest:
            progress.say(
                f"{wanted.file} is not the official archive ({wanted.digest}): this one is "
                f"{found.sha256}"
            )
        whole = _whole(found.path, wanted)
        record: dict[str, Any] = {
            "file": wanted.file,
            "from": found.url,
            "sha256": found.sha256,
            "official": known if wanted.digest else None,
        }
        if whole.is_dir():
            record["files"] = {
                name: records.plain(mark)
                for name, mark in digests.of_folder(whole).items()
                if Path(name).name != LOCK
            }
        downloads.record(
            home, "datasets", name, record
        )  # before it is in place: whoever is killed between begins anew
        os.replace(whole, place)
    return place


def overview(home: Path | None) -> list[dict[str, str]]:
    """One row a data set: whether it is here, and what it is."""
    plugins, place = registry(), runner.data_home(home)
    return [
        {
            "name": name,
            "here": _state(spec, place),
            "photographs": _count(spec),
            "size": _size(spec),
            "licence": spec.licence,
        }
        for name, spec in _specs(plugins).items()
    ]


def info(name: str, home: Path | None) -> dict[str, str]:
    """What is known of a data set: size, licence, citation, where it is looked for, and how to get
    it."""
    spec, place = _spec(name), runner.data_home(home)
    wanted = spec.download
    found = {
        "name": name,
        "summary": spec.summary,
        "photographs": _count(spec),
        "licence": spec.licence,
        "citation": spec.citation,
        "here": _state(spec, place),
    }
    if wanted:
        found |= {
            "file": wanted.file,
            "size": _size(spec),
            "digest": wanted.digest or "none is published",
            "mirrors": ", ".join(wanted.urls) or "none: its owners ask for an account",
            "steps": _steps(name, wanted),
            "kept as": str(place / (wanted.folder or wanted.file)),
        }
    return {key: value for key, value in found.items() if value}


def where(name: str | None, home: Path | None) -> Path:
    """The data home, or where in it a data set lies. BenchError where it does not."""
    place = runner.data_home(home)
    if name is None:
        return place
    lies = _opened(_spec(name), place).place()
    if lies is None:
        raise BenchError(f"dataset {name} is at no place: it is drawn, or comes with a package")
    return lies


def check(
    name: str, progress: Progress, home: Path | None, store: Path | str | None = None
) -> tuple[list[dict[str, str]], list[str]]:
    """Rows `what, here, expected` about a data set's photographs and its archive, and what is wrong
    with it."""
    spec = _spec(name)
    place = runner.data_home(home)
    source, _, _ = planning.first_source(
        Request(datasets=(name,), data_home=place, store=store), progress
    )
    count = len(source.train) + len(source.test)
    copies, within = (
        len(duplicates.same_files(source.digests, *parts))
        for parts in ((source.train, source.test), (source.test,))
    )
    rows = [
        _row("photographs", str(count), "" if spec.photographs is None else str(spec.photographs)),
        _row("left out", str(len(source.left_out)), ""),
        _row("digest of the photographs", source.digest, ""),
        _row("training photographs that are in the test part, too", str(copies), ""),
        _row("test photographs that are copies of others there", str(within), ""),
    ]
    data_source.name_left_out(source.name, source.left_out, progress)
    lies, wanted = source.dataset.place(), spec.download
    known = downloads.recorded(place, "datasets").get(name, {})
    recorded = records.checked(known, _Recorded, place / downloads.RECORD, "move it away")
    if lies and lies.is_file() and wanted:
        found = Fetched.of(lies)
        if wanted.digest:
            rows.append(
                _row(f"{lies.name}, published digest", found.alike(wanted.digest), wanted.digest)
            )
        if "sha256" in recorded:
            rows.append(_row(f"{lies.name}, as it was fetched", found.sha256, recorded["sha256"]))
    elif lies and wanted and lies == place / wanted.folder and "files" in recorded:
        rows.append(
            _row(
                f"{lies.name}, as it was fetched",
                digests.damage(lies, recorded["files"]) or SAME,
                SAME,
            )
        )
    return rows, [
        f"{row['what']}: {row['here']} instead of {row['expected']}"
        for row in rows
        if row["expected"] and row["expected"] != row["here"]
    ]


def prepared(request: Request, progress: Progress) -> list[dict[str, str]]:
    """Prepare both parts of a request's data sets in the store, as its runs will use them: one row
    a part."""
    opened = [
        planning.first_source(replace(request, datasets=(name,)), progress)
        for name in request.datasets
    ]
    splits.check(request.splits, [source.name for source, _, _ in opened])
    rows = []
    for source, rules, kept in opened:
        data = planning.prepared(source, request, rules, kept, progress)
        for part, made in (("train", data.train), ("test", data.test)):
            rows.append(
                {
                    "dataset": source.name,
                    "part": part,
                    "photographs": str(len(made)),
                    "left out": str(len(made.excluded)),
                    "kept in": str(kept.path("prepared", made.key)),
                }
            )
    return rows


def write_split(
    request: Request, out: Path | None, progress: Progress
) -> tuple[dict[str, Any], Path]:
    """Write the split of a request's only data set; returns what is in the file, and where it is."""
    source, rules, _ = planning.first_source(request, progress)
    data_source.name_left_out(source.name, source.left_out, progress)
    for line in duplicates.said_of_files(source):
        progress.say(line)
    place = out or Path(f"{source.name}-split.json")
    made = {
        "schema_version": splits.SCHEMA,
        "dataset": source.name,
        "photographs": source.digest,
        "protocol": rules.name,
        "split_seed": rules.split_seed,
        "digest": splits.digest(source.train, source.test),
        "train": list(source.train),
        "test": list(source.test),
        "left_out": dict(source.left_out),
    }
    write_for_user(place, keys.canonical(made) + "\n")
    return made, place


def _specs(plugins: Registry) -> dict[str, DatasetSpec]:
    return {
        name: spec
        for name, spec in sorted(plugins.specs["datasets"].items())
        if isinstance(spec, DatasetSpec)
    }


def _spec(name: str) -> DatasetSpec:
    spec: DatasetSpec = registry().get("datasets", name)
    return spec


def _download(spec: DatasetSpec) -> Download:
    if spec.download is None:
        raise BenchError(
            f"dataset {spec.name} is not distributed as a file: there is nothing to fetch"
        )
    return spec.download


def _opened(spec: DatasetSpec, home: Path) -> Dataset:
    dataset: Dataset = spec.load()(home=home)
    return dataset


def _fetched(
    name: str, urls: Sequence[str], wanted: Download, draft: Path, digest: str, progress: Progress
) -> Fetched:
    try:
        return downloads.fetch(
            urls or wanted.urls, draft, digest, progress, Limits.of(wanted.gigabytes)
        )
    except NotFetched as error:
        if not wanted.instead or urls:
            raise
        raise BenchError(
            f"{error}; `bench data fetch {wanted.instead}` gets a similar set, which is not the "
            "same"
        ) from error


def _copied(file: Path, draft: Path, digest: str) -> Fetched:
    """A file that someone has: a second name for it where that goes, else a copy."""
    try:
        if not file.is_file():  # a pipe would give its content once, and is read twice
            raise OSError("no plain file" if file.exists() else "No such file or directory")
        with file.open("rb"):
            pass
    except OSError as error:
        raise BenchError(
            f"can't read {file} ({error.strerror or error}): give a file that is there"
        ) from error
    own = file.resolve()
    try:
        os.link(own, draft)
    except OSError:  # of another disk, or one without links
        shutil.copyfile(own, draft)
    found = Fetched.of(draft, str(own))
    if digest and digest not in found.digests:
        raise BenchError(f"{file} is another file: its digest is not {digest}")
    return found


def _whole(archive: Path, wanted: Download) -> Path:
    """The archive, once it was looked through, or the folder that it holds."""
    if not wanted.folder:
        archives.inspect(archive)
        return archive
    whole = archives.unpack(archive, _unpacked(archive))
    inner = whole / wanted.folder
    return inner if inner.is_dir() else whole


def _unpacked(archive: Path) -> Path:
    """Where it is unpacked; what a process that was killed left there goes (`downloads.alone`)."""
    return archive.with_name(f".{archive.name}.unpacked")


@contextmanager
def _room(home: Path, file: str, progress: Progress) -> Iterator[Path]:
    """Where a file may lie until it is known to be sound, for one process at a time; what was
    fetched of it stays for the next try, all else goes."""
    new, folder = not home.exists(), home / ROOM
    draft = folder / file
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with downloads.alone(draft, progress):
            try:
                yield draft
            finally:
                shutil.rmtree(_unpacked(draft), ignore_errors=True)
    except OSError as error:
        raise BenchError(
            f"the data home {home} can't be written ({error.strerror or error}): give another "
            "--data-home"
        ) from error
    finally:
        for empty in (folder, home) if new else (folder,):
            with suppress(OSError):  # it is not there, or holds something
                empty.rmdir()


def _state(spec: DatasetSpec, home: Path) -> str:
    try:
        dataset = _opened(spec, home)
        dataset.place() or dataset.signature()  # the latter looks at every file
    except BenchError:
        return "no"
    return "yes"


def _count(spec: DatasetSpec) -> str:
    return "" if spec.photographs is None else f"{spec.photographs:,}"


def _size(spec: DatasetSpec) -> str:
    return f"{spec.download.gigabytes:g} GB" if spec.download and spec.download.gigabytes else ""


def _steps(name: str, wanted: Download) -> str:
    command = f"bench data fetch {name}"
    return (
        f"{wanted.steps}; then `{command} --file {wanted.file}`" if wanted.steps else f"`{command}`"
    )


def _row(what: str, here: str, expected: str) -> dict[str, str]:
    return {"what": what, "here": here, "expected": expected}
