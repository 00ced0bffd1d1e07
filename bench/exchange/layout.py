"""What is exchanged with programs elsewhere: the names of files, and the record of exported inputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NotRequired, TypedDict
from urllib.parse import quote

from bench import keys
from bench.contracts import Wanted
from bench.store import records
from bench.store.records import Count, Scalar, Small

SCHEMA = 1
"""Version of `inputs.json`."""
RECORD = "inputs.json"
"""Written beside the inputs. A copy beside the outputs says what they were made from."""
TABLE = "inputs.csv"
MANIFEST = "outputs.csv"
LONGEST = 200
"""Characters of a name between two slashes; file systems take 255 bytes, and `.png` is to follow."""
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
"""Names of devices under Windows, whatever their suffix."""


class Inputs(TypedDict):
    """`inputs.json` of exported inputs. preparation: how they were prepared."""

    dataset: str
    digest: str
    protocol: dict[str, Scalar]
    preparation: dict[str, Scalar]
    photographs: Count
    k: Small
    draws: Small
    schema_version: NotRequired[int]
    huebench: NotRequired[str]
    protocol_digest: NotRequired[str]
    split_digest: NotRequired[str]
    ids_digest: NotRequired[str]
    excluded: NotRequired[dict[str, str]]
    layout: NotRequired[str]


def stem(image: str) -> str:
    """Where a photograph's files lie, relative and without `..`: the input is `<stem>.png`, its
    outputs `<stem>/<n>.png`.

    An id that is a plain path is its own stem. Else it is percent-encoded, and
    `urllib.parse.unquote` gives it back; parts that are too long end in a digest (`%~` and 24
    digits), an empty part is `%~`.

    >>> stem("cats/tom.jpg"), stem("../a b"), stem("C:/nul"), stem("//host")
    ('cats/tom.jpg', '%2E%2E/a b', 'C%3A/%6Eul', '%~/%~/host')
    """
    return "/".join(map(_part, image.split("/")))


def read_record(folder: Path) -> Inputs | None:
    """The record of exported inputs in a folder, if there is one. BenchError when it is damaged."""
    path = folder / RECORD
    return (
        records.read(path, Inputs, "`bench export-inputs` writes it", SCHEMA)
        if path.is_file()
        else None
    )


def made_from_others(record: Inputs, wanted: Wanted) -> str:
    """Why outputs of these inputs are none of the wanted photographs under the wanted protocol, or
    nothing."""
    if record["digest"] != wanted.digest:
        return (
            f"made from inputs of other photographs ({record['dataset']}, content "
            f"{record['digest'][:12]}; "
            f"here {wanted.dataset}, {wanted.digest[:12]})"
        )
    before, now = record["preparation"], wanted.protocol.preparation
    differ = [
        f"{name} {before.get(name)}, here {now.get(name)}"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    ]
    return (
        f"made from inputs that were prepared in another way ({'; '.join(differ)})"
        if differ
        else ""
    )


def _part(part: str) -> str:
    name = quote(part, safe=" ", errors="surrogatepass") or "%~"
    if name[0] in (".", " ") or _RESERVED.match(name):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if name[-1] in (".", " "):  # Windows drops them
        name = f"{name[:-1]}%{ord(name[-1]):02X}"
    return (
        name
        if len(name) <= LONGEST
        else f"{name[:150]}%~{keys.sha256(part.encode('utf-8', 'surrogatepass'))[:24]}"
    )
