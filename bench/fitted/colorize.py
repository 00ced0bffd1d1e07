"""`bench colorize`: people's own photographs in colours that a fitted method finds plausible."""

from __future__ import annotations

import errno
import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench import keys, seeds
from bench.colour import rgb_to_lightness
from bench.contracts import Progress
from bench.errors import BenchError, beside, reason
from bench.fitted import upsampling
from bench.fitted.folders import Opened
from bench.machine import threads
from bench.machine.memory import GIB
from bench.pictures import images, profiles
from bench.pictures.folder import Folder
from bench.pictures.images import Picture, Unreadable
from bench.store.files import write_bytes

if TYPE_CHECKING:
    from PIL import Image

STDIN = "-"
MOST = 4 * GIB
"""Bytes of memory that a photograph may take: it is worked on at its own size."""
PER_PIXEL = 16
"""Of these a pixel takes so many: the photograph, a result and its file."""
ACROSS = 480
"""Pixels of a picture's longer side on the sheet."""
GAP = 12
LEFT_OUT = (
    0x112,
    0xFE,
    0xFF,
    *range(0x100, 0x104),
    0x106,
    0x10A,
    0x111,
    *range(0x115, 0x11A),
    0x11C,
    0x11D,
    0x13D,
    *range(0x140, 0x146),
    0x14A,
    0x152,
    0x153,
    0x15B,
    0x200,
    0x201,
    0x202,
    0x2BC,
    0x8649,
    0x8773,
    0x935C,
)
"""EXIF that results don't keep: the rotation, which is applied, and what says how a TIFF's own
pixels, profile and layers lie."""


@dataclass(frozen=True)
class Photograph:
    """One input. name: of its results, relative, without a suffix. source: what people call it."""

    name: str
    source: str
    path: Path | None

    def read(self, stdin: bytes) -> bytes:
        """Its bytes. Raises `Unreadable`."""
        try:
            return stdin if self.path is None else self.path.read_bytes()
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from error


@dataclass(frozen=True)
class Kept:
    """What a photograph's results keep of it: EXIF (None: it is damaged), and the colour profile
    that they are in."""

    exif: bytes | None
    profile: bytes


def inputs(given: Sequence[str], out: Path) -> tuple[list[Photograph], dict[str, str]]:
    """The photographs that are meant by files, folders (all images below, at any depth, but for the
    results' folder) and `-`; results of two of one name are told apart by suffix. And what of the
    folders is left out, and why. BenchError where there is no photograph, or where results would
    lie among them."""
    left_out: dict[str, str] = {}
    found = [photo for text in given for photo in _found(text, out.resolve(), left_out)]
    if not found:
        raise BenchError(f"there is no image in {', '.join(given)}{beside(left_out)}")
    count = Counter(photo.name for photo in found)
    named = [
        p
        if count[p.name] == 1 or p.path is None
        else replace(p, name=f"{p.name}{p.path.suffix.replace('.', '-')}")
        for p in found
    ]
    twice = [name for name, n in Counter(photo.name for photo in named).items() if n > 1]
    if twice:
        sources = " and ".join(photo.source for photo in named if photo.name == twice[0])
        raise BenchError(
            f"the results of {sources} would have one name: colourize them into different folders"
        )
    return named, left_out


def colourize(
    photos: Sequence[Photograph],
    made: Opened,
    out: Path,
    k: int,
    seed: int,
    progress: Progress,
    stdin: bytes = b"",
) -> list[tuple[Photograph, str]]:
    """Write k colourizations (`NAME-1.png`, ...) and a sheet (`NAME-sheet.png`) of every
    photograph; returns those that failed, and why. A photograph's results depend on it, the method
    and the seed alone."""
    if made.spec.sees:
        raise BenchError(
            f"{made.spec.name} must see the {' and the '.join(sorted(made.spec.sees))} of a "
            "photograph: take another "
            "method"
        )
    if made.spec.role == "codec":
        raise BenchError(
            f"{made.spec.name} encodes colours that are there, and finds none: take another method"
        )
    failed = []
    _see_that_none_is_overwritten(photos, out, k)
    with threads.pinned(threads.wanted()), progress.task("colourizing", len(photos)) as bar:
        for photo in photos:
            try:
                data = photo.read(stdin)
                picture = images.decode(data, MOST, PER_PIXEL)
                kept = _kept(data, picture)
                if kept.exif is None:
                    progress.say(f"{photo.source}: its EXIF is damaged, and left out")
                _write(_one(photo, picture.levels, kept, made, k, seed), out)
            except (Unreadable, MemoryError) as error:
                failed.append((photo, str(error) or "it does not fit into memory"))
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise BenchError(
                        f"{out} can't be written ({error.strerror or error}): choose another --out"
                    ) from error
                failed.append((photo, error.strerror or str(error)))
            except BenchError:
                raise
            except Exception as error:  # noqa: BLE001 - a plugin's method: the other photographs go on
                failed.append((photo, reason(error)))
            bar.advance(1, photo.name)
    return failed


def _kept(data: bytes, picture: Picture) -> Kept:
    """What results keep. They are in the photograph's own colours where its profile is one of RGB
    that pictures can be brought into (those of some scanners lead out of their space only), else in
    sRGB."""
    profile = picture.profile
    if profile and not profiles.from_srgb(profile):
        profile = profiles.srgb().tobytes()
    return Kept(_exif(data), profile)


def _exif(data: bytes) -> bytes | None:
    """A photograph's EXIF as its results keep it; None where Pillow can't read it or write it so
    that it can be read again."""
    try:
        with images.opened(data) as header:
            exif = header.getexif()
            exif.bigtiff = False  # its form is for files beyond 4 GB; no reader of EXIF knows it
            for tag in LEFT_OUT:
                exif.pop(tag, None)
            made = exif.tobytes() if len(exif) else b""
            again = type(exif)()
            again.load(made)
            return made if {*again} == {*exif} else None
    except Unreadable:
        return None


def _found(text: str, out: Path, left_out: dict[str, str]) -> list[Photograph]:
    try:
        return list(_meant(text, out, left_out))
    except OSError as error:
        raise BenchError(
            f"can't read {error.filename or text} ({error.strerror or error})"
        ) from error


def _meant(text: str, out: Path, left_out: dict[str, str]) -> Iterator[Photograph]:
    path = Path(text)
    if text == STDIN:
        yield Photograph("stdin", "standard input", None)
    elif not path.is_dir():
        yield Photograph(path.stem, text, path)
    elif path.resolve() == out:
        raise BenchError(
            f"the results would lie among the photographs in {text}: choose another --out"
        )
    else:
        source, listed = Folder(path), set()
        for name, _ in source.members():
            listed.add(name)
            if out not in (path / name).resolve().parents:
                yield Photograph(str(Path(name).with_suffix("")), str(path / name), path / name)
        left_out |= {
            str(path / name): why
            for name, why in source.left_out.items()
            if name not in listed and out not in (path / name).absolute().parents
        }


def _see_that_none_is_overwritten(photos: Sequence[Photograph], out: Path, k: int) -> None:
    sources = {photo.path.resolve(): photo.source for photo in photos if photo.path}
    for photo in photos:
        for name in (*_names(photo, k), _sheet_name(photo)):
            if source := sources.get((out / name).resolve()):
                raise BenchError(
                    f"a result of {photo.source} would overwrite {source}: choose another --out"
                )


def _names(photo: Photograph, k: int) -> list[str]:
    return [f"{photo.name}-{i}.png" for i in range(1, k + 1)]


def _sheet_name(photo: Photograph) -> str:
    return f"{photo.name}-sheet.png"


def _one(
    photo: Photograph, levels: np.ndarray, kept: Kept, made: Opened, k: int, seed: int
) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a photograph's results."""
    protocol = replace(
        made.protocol, crop="authors"
    )  # and no data set's crop: the whole photograph
    prepared = images.prepare(levels, protocol)
    grey = torch.from_numpy(prepared.grey)[None, None]
    number = seeds.derive(seed, "colorize", keys.sha256(prepared.grey.tobytes()))
    with torch.inference_mode():
        fields = made.method.predict(grey.clone(), [number]).present(k).ab[0].float().cpu()
    shown = []
    for name, field in zip(_names(photo, len(fields)), fields, strict=True):
        picture = _image(upsampling.colourized(levels, upsampling.fit(grey[0, 0], field)))
        shown.append(_thumbnail(picture))
        yield name, _png(picture, kept)
    light = rgb_to_lightness(np.asarray(_thumbnail(_image(levels)), np.float32) / 255)
    yield _sheet_name(photo), _png(_sheet([_image(_grey(light)), *shown]), None)


def _write(results: Iterator[tuple[str, bytes]], out: Path) -> None:
    for name, content in results:
        place = out / name
        place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(place, content)


def _image(levels: np.ndarray) -> Image.Image:
    from PIL import Image

    return Image.fromarray(levels)


def _grey(light: np.ndarray) -> np.ndarray:
    from bench.exchange.export import grey_levels

    return np.repeat(grey_levels(light)[..., None], 3, axis=-1)


def _thumbnail(picture: Image.Image) -> Image.Image:
    from PIL import Image

    share = min(1.0, ACROSS / max(picture.size))
    across, down = (max(1, round(side * share)) for side in picture.size)
    return picture.resize((across, down), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _sheet(pictures: Sequence[Image.Image]) -> Image.Image:
    from PIL import Image

    width, height = pictures[0].size
    sheet = Image.new("RGB", (len(pictures) * (width + GAP) + GAP, height + 2 * GAP), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (GAP + i * (width + GAP), GAP))
    return sheet


def _png(picture: Image.Image, kept: Kept | None) -> bytes:
    """PNG, with the photograph's EXIF, in its own colour space."""
    own: dict[str, Any] = {}
    if kept and kept.exif:
        own["exif"] = kept.exif
    if kept and kept.profile:
        own["icc_profile"] = kept.profile
        if (change := profiles.from_srgb(kept.profile)) and profiles.to_srgb(kept.profile):
            picture = change.apply_in_place(picture)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **own)
    return buffer.getvalue()


def newest(method: str | None, runs: Path = Path("runs")) -> Path:
    """The newest run below a folder in which a method was fitted. BenchError where there is none."""
    from bench.scores import manifest

    marks = sorted(runs.glob("*/manifest.json"), key=os.path.getmtime, reverse=True)
    for mark in marks:
        with suppress(BenchError):  # a damaged one is not what is meant
            done = [cell for cell in manifest.read(mark.parent).cells if cell.status == "done"]
            if any(
                c.role == "colourizer" if method is None else method in (c.method, c.name)
                for c in done
            ):
                return mark.parent
    raise BenchError(
        f"no run below {runs} has a fitted {method or 'method'}: give --weights, a run's folder or "
        "an exported method"
    )
