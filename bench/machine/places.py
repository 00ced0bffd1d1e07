"""Folders and files of this machine, in what is written for others: nobody's home or user name, and
no path from the root.

What has to be found again is written as seen from the file that names it (`relative`, `found`);
what is only read is shortened (`text`, `labels`).
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

USER = "$USER"
"""Stands for the name of whoever runs this, where it is a folder's."""
_PACKAGES = Path(__file__).parents[2]
_INSIDE = r"[^\s/'\"<>|,;:()\[\]]+"
_ABSOLUTE = re.compile(
    rf"(?<![\w.~$/:…<-])(?:file://)?(?:/{_INSIDE}){{2,}}/?|(?<![\w.~$/:…<-])(?:\.\./)+(?:{_INSIDE}/?)+"
)
"""A path from the root, or one that leads up, within other text."""


def relative(where: Path | str, base: Path) -> str:
    """A folder or URL as seen from a folder: `found` finds it again. A name of whoever runs this is
    left out.

    >>> relative(Path("/share/store"), Path("/share/runs/a")), relative("s3://key@bucket/store", Path())
    ('../../store', 's3://bucket/store')
    """
    scheme, there, rest = str(where).partition("://")
    if there and scheme != "file":
        return f"{scheme}://{_anonymous(re.sub('^[^/@]*@', '', rest))}"
    path, home = Path(os.path.abspath(_expanded(rest if there else str(where)))), _home()
    near = os.path.relpath(path, Path(os.path.abspath(base)))
    if home and path.is_relative_to(home) and near.startswith(".."):
        near = (PurePath("~") / path.relative_to(home)).as_posix()
    return f"{scheme}://{_anonymous(near)}" if there else _anonymous(PurePath(near).as_posix())


def found(written: str, base: Path) -> Path | str:
    """What `relative` wrote; a path from the root, or another URL, is itself."""
    scheme, there, rest = written.partition("://")
    rest = (rest if there else written).replace(USER, _user())
    if there and scheme != "file":
        return f"{scheme}://{rest}"
    path = os.path.abspath(base / _expanded(rest))
    return f"{scheme}://{path}" if there else Path(path)


def text(said: str) -> str:
    """Text in which paths from the root are shortened: code to its place in its package, what lies
    in the working folder to what follows, what lies in the home folder to `~/...`, all others to
    `…/` and their last part.

    >>> text("no /srv/data/a/b.pth here, and/or https://host/a/b")
    'no …/b.pth here, and/or https://host/a/b'
    """
    for prefix, short in _prefixes():
        if prefix in said:
            said = short.join(re.split(rf"(?<![\w.~$/-]){re.escape(prefix + os.sep)}", said))
            said = (short or ".").join(
                re.split(rf"(?<![\w.~$/-]){re.escape(prefix)}(?![\w./-])", said)
            )
    return _ABSOLUTE.sub(lambda match: f"…/{PurePath(match[0]).name}", said)


def cleaned(value: Any) -> Any:
    """JSON whose texts are shortened (`text`); names of fields stay."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {key: cleaned(each) for key, each in value.items()}
    return [cleaned(each) for each in value] if isinstance(value, list | tuple) else value


def labels(names: Iterable[str]) -> dict[str, str]:
    """What methods or metrics are called whose parameters may be paths: of one from the root only
    as much of its end is left as tells them apart, whatever the working folder.

    >>> list(labels(["zhang[weights=/srv/w.pth]", "p[folder=/a/x/out]", "p[folder=/a/y/out]", "p[folder=out]"]).values())
    ['zhang[weights=…/w.pth]', 'p[folder=…/x/out]', 'p[folder=…/y/out]', 'p[folder=out]']
    """
    given = list(dict.fromkeys(names))
    made, parts = {name: _tail(name, 1) for name in given}, 1
    while len(set(made.values())) < len(given):
        parts += 1
        short = list(made.values())
        made = {
            name: _tail(name, parts) if short.count(made[name]) > 1 else made[name]
            for name in given
        }
    return made


def _tail(name: str, parts: int) -> str:
    def shortened(match: re.Match[str]) -> str:
        pieces = PurePath(match[0]).parts
        return match[0] if len(pieces) <= parts else f"…/{'/'.join(pieces[-parts:])}"

    return _ABSOLUTE.sub(shortened, name)


def _prefixes() -> list[tuple[str, str]]:
    """Folders, the longest first, and what stands for them and the slash behind."""
    known = {
        path.rstrip(os.sep): ""
        for path in (*sys.path, str(_PACKAGES), os.getcwd())
        if os.path.isabs(path)
    }
    if home := _home():
        known[str(home)] = "~/"
    return sorted(
        ((path, short) for path, short in known.items() if path), key=lambda each: -len(each[0])
    )


def _expanded(path: str) -> Path:
    """Without `~`, which is this reader's home; `~name` is a name."""
    home = _home()
    return Path(path) if home is None or not re.match("~(/|$)", path) else home / path[2:]


def _anonymous(path: str) -> str:
    return "/".join(USER if part == _user() else part for part in path.split("/"))


def _home() -> Path | None:
    """The home folder, if it is somebody's."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home if len(home.parts) > 1 else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return home.name if (home := _home()) else USER
