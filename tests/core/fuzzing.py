"""Changes a file from outside in many ways and reads it each time. `test_fuzz.py` starts it as a
process of its own, so that a hang or a lack of memory is a failure of one kind of file.

    python tests/core/fuzzing.py FOLDER COUNT SEED KIND...

FOLDER is what `test_fuzz.py` made. A reader may read what it is given or end in a `BenchError` or
an `Unreadable`; nothing else. What has a digest may not be read when it differs from what was
written. Nothing outside the folder may change.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.pictures.images import Unreadable

MEMORY = 6 * 2**30
"""Bytes of address space: a file that makes a reader take more fails."""
VALUES = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**63,
    10**400,
    1.5,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../../victim",
    "/etc/passwd",
    "a" * 5000,
    "\x1b[31m",
    "\ud800",
    "file:///",
    [],
    {},
    [[]],
    [{}],
    {"": ""},
    [1],
    ["x"],
    {"x": 1},
)
PIECES = (
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\r\n",
    b"\n",
    b",",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"1e999",
    b"NaN",
    b"null",
    b"../../../victim",
    b"\x1b]0;x\x07",
    b"\xed\xa0\x80",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"\x80\x04\x95",
    b"PK\x03\x04",
    b"\x7f",
)


@dataclass(frozen=True)
class Kind:
    """A kind of file. file: which one below the folder. read: what reads it; is given the folder.
    sealed: it has a digest. parsed: it is JSON, whose values are exchanged, too."""

    file: str
    read: Callable[[Path], Any]
    sealed: bool = False
    parsed: bool = False


def _verb(*arguments: str) -> Callable[[Path], Any]:
    """A command; its errors are raised."""

    def call(folder: Path) -> None:
        from bench.cli import cli

        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            try:
                cli.main(
                    args=[part.format(folder=folder) for part in arguments],
                    prog_name="bench",
                    standalone_mode=False,
                )
            except SystemExit as ended:
                if ended.code not in (0, 1, 3, 4, 5, 6):
                    raise AssertionError(f"exit status {ended.code}") from ended

    return call


def _results(folder: Path) -> Any:
    from bench.engine.score_run import headline
    from bench.results import comparable, run_folder

    read = run_folder.read(folder / "run")
    headline(read)
    comparable.check_comparable([read, read], strict=True)
    for column in read.table.columns[:40]:
        if column.measured:
            read.table.values(column)
    return len(read.scores) + len(read.set_scores)


def _thing(kind: str) -> Callable[[Path], Any]:
    def call(folder: Path) -> Any:
        from bench.store.local import Store

        store = Store(folder / "store")
        place = (folder / SINGLE[kind]).parent
        found = store.find(kind, place.name)
        list(store.all(kind))
        if found is None:
            raise BenchError("not found")
        return "found"

    return call


def _housekeeping(folder: Path) -> None:
    from bench.store import maintenance

    store = maintenance.opened(folder / "store")
    for thing, wrong, _ in maintenance.verify(store):
        thing.row()
        str(wrong)
    list(maintenance.prune(store, (), None, None, True))


def _decode(name: str) -> Callable[[Path], Any]:
    def call(folder: Path) -> None:
        from bench.pictures import images

        images.decode((folder / name).read_bytes())

    return call


def _source(name: str) -> Callable[[Path], Any]:
    def call(folder: Path) -> None:
        from bench.datasets import sources

        made = sources.Archive(folder / name)
        try:
            for _, read in made.members():
                read()
        except made.failures():
            pass

    return call


def _inspect(name: str) -> Callable[[Path], Any]:
    def call(folder: Path) -> None:
        from bench.fetch import archives

        archives.inspect(folder / name)
        target = folder / "unpacked"
        try:
            archives.unpack(folder / name, target)
        finally:
            shutil.rmtree(target, ignore_errors=True)

    return call


def _card(folder: Path) -> str:
    from bench.fitted import folders

    with folders.opened(folder / "export"):
        pass
    return "opened"


def _module(name: str, function: str, *path: str) -> Callable[[Path], Any]:
    def call(folder: Path) -> Any:
        import importlib

        return getattr(importlib.import_module(f"bench.{name}"), function)(folder.joinpath(*path))

    return call


def _request(folder: Path) -> None:
    from bench.engine import request

    request.read(folder / "run")
    request.checked(folder / "run")


def _recorded(folder: Path) -> None:
    from bench.fetch import data_home, downloads
    from bench.store import records

    known = downloads.recorded(folder, "datasets").get("lfw", {})
    records.checked(known, data_home._Recorded, folder / downloads.RECORD)


PICTURES = ("jpg", "png", "gif", "bmp", "tif", "webp", "ppm", "jp2", "avif")
THINGS = ("fits", "samples", "scores", "prepared", "indexes")
SINGLE: dict[str, str] = {}
"""Kind of thing -> the mark of one of them, below the folder."""

REPORT = _verb("report", "{folder}/run", "--figures", "none", "--out", "{folder}/report")
COMPARE = _verb("compare", "{folder}/run", "{folder}/other", "--out", "{folder}/compare")
CHECK = _verb("check-outputs", "{folder}/inputs", "{folder}/outputs", "--kind", "iid")

KINDS: dict[str, Kind] = {
    "manifest": Kind("run/manifest.json", _results, parsed=True),
    "scores": Kind("run/scores.parquet", _results),
    "set scores": Kind("run/set_scores.parquet", _results),
    "request": Kind("run/request.json", _request, parsed=True),
    "report": Kind("run/manifest.json", REPORT, parsed=True),
    "compare": Kind("run/manifest.json", COMPARE, parsed=True),
    "comparison": Kind("compare/comparison.json", COMPARE, parsed=True),
    "card": Kind("export/card.json", _card, parsed=True),
    "card's colours": Kind("export/colours.npy", _card, sealed=True),
    "baseline": Kind(
        "baseline.json", _module("gate.baseline", "read", "baseline.json"), parsed=True
    ),
    "gate": Kind(
        "baseline.json",
        _verb("gate", "{folder}/run", "--baseline", "{folder}/baseline.json"),
        parsed=True,
    ),
    "margins": Kind(
        "gate.toml",
        _verb(
            "gate",
            "{folder}/run",
            "--baseline",
            "{folder}/baseline.json",
            "--margins",
            "{folder}/gate.toml",
        ),
    ),
    "bench.toml": Kind("bench.toml", _module("cli.config", "read", "bench.toml")),
    "split": Kind("split.json", _module("data.splits", "read", "split.json"), parsed=True),
    "inputs": Kind("inputs/inputs.json", CHECK, parsed=True),
    "inputs.csv": Kind("inputs/inputs.csv", CHECK),
    "outputs.csv": Kind("outputs/outputs.csv", CHECK),
    "output png": Kind("outputs/000/0.png", CHECK),
    "output npy": Kind("outputs/000/1.npy", CHECK),
    "fetched": Kind("fetched.json", _recorded, parsed=True),
    "tar.gz": Kind("archive.tgz", _inspect("archive.tgz")),
    "zip": Kind("archive.zip", _inspect("archive.zip")),
    "tar in place": Kind("archive.tar", _source("archive.tar")),
    **{
        f"picture {form}": Kind(f"pictures/a.{form}", _decode(f"pictures/a.{form}"))
        for form in PICTURES
    },
    **{
        f"mark of {kind}": Kind(f"@{kind}", _thing(kind), sealed=True, parsed=True)
        for kind in THINGS
    },
    **{f"file of {kind}": Kind(f"@{kind}/*", _thing(kind), sealed=True) for kind in THINGS},
    "marks in housekeeping": Kind("@fits", _housekeeping, parsed=True),
}


def find(folder: Path, file: str) -> str:
    """The name of a file below the folder; `@kind` is the mark of a thing, `@kind/*` another file
    of it."""
    if not file.startswith("@"):
        return file
    kind, _, other = file[1:].partition("/")
    mark = sorted((folder / "store" / kind).glob("??/*/cell.json"))[0]
    SINGLE[kind] = mark.relative_to(folder).as_posix()
    if not other:
        return SINGLE[kind]
    files = sorted(p for p in mark.parent.rglob("*") if p.is_file() and p.name != mark.name)
    return files[0].relative_to(folder).as_posix()


def changed(data: bytes, parsed: bool, chance: random.Random) -> bytes:
    """The content of a file, changed."""
    if parsed and chance.random() < 0.6:
        return _exchanged(
            json.loads(data.splitlines()[0] if data.count(b"\n") == 2 else data), chance
        )
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(6):
            case 0 if made:
                made[at - 1] ^= 1 << chance.randrange(8)
            case 1:
                made[at:at] = chance.choice(PIECES)
            case 2:
                del made[at : at + chance.choice((1, 2, 8, 100))]
            case 3:
                del made[at:]
            case 4:
                made[at : at + 8] = chance.randbytes(8)
            case _:
                made[at:at] = made[at // 2 : at // 2 + chance.randrange(64)]
    return bytes(made)


def _exchanged(value: Any, chance: random.Random) -> bytes:
    """JSON with one value exchanged, left out, or put under another name."""
    places = list(_places(value))
    for _ in range(chance.choice((1, 1, 2))):
        if not places:
            value = chance.choice(VALUES)
            break
        owner, name = chance.choice(places)
        match chance.randrange(4):
            case 0 if isinstance(owner, dict):
                owner.pop(name, None)
            case 1 if isinstance(owner, dict):
                owner[str(chance.choice(VALUES))[:200].replace("\ud800", "?")] = owner.get(name)
            case _:
                if isinstance(owner, dict) or (isinstance(name, int) and name < len(owner)):
                    owner[name] = chance.choice(VALUES)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _places(value: Any, depth: int = 0) -> Any:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for name, inner in list(items)[:300]:
        yield value, name
        if depth < 6:
            yield from _places(inner, depth + 1)


def _outside(folder: Path) -> list[tuple[str, int, int]]:
    """All files beside the folder."""
    return sorted(
        (str(p), p.lstat().st_size, p.lstat().st_mtime_ns)
        for p in folder.parent.rglob("*")
        if folder not in p.parents and p != folder and p.is_file()
    )


def main(folder: Path, name: str, count: int, seed: int) -> list[str]:
    """What went wrong, a line each."""
    kind = KINDS[name]
    path = folder / find(folder, kind.file)
    kind.read(folder)  # as it was written it can be read; a comparison writes its own mark
    data, chance, wrong = path.read_bytes(), random.Random(f"{seed} {name}"), []
    before = _outside(folder)
    for number in range(count):
        made = changed(data, kind.parsed, chance)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made)
        try:
            kind.read(folder)
            if kind.sealed and made != data:
                wrong.append(f"{number}: read, though it is not what was written")
        except (BenchError, Unreadable) as error:
            if "\n" in str(error).strip() or not str(error):
                wrong.append(f"{number}: not one line: {str(error)[:200]!r}")
        except Exception as error:  # noqa: BLE001 - what a user would see as a traceback
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            wrong.append(f"{number}: {type(error).__name__}: {str(error)[:200]} ({place})")
            path.with_name(f"{path.name}.wrong").write_bytes(made)
        if len(wrong) > 20:
            break
    path.write_bytes(data)
    if _outside(folder) != before:
        wrong.append("something outside was written, changed or removed")
    return wrong


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.environ["BENCH_STORE"] = str(Path(sys.argv[1], "store"))
    from bench.plugins.loader import use

    use(None)
    found = {
        kind: main(Path(sys.argv[1]), kind, int(sys.argv[2]), int(sys.argv[3]))
        for kind in sys.argv[4:]
    }
    print(json.dumps({kind: wrong for kind, wrong in found.items() if wrong}))
