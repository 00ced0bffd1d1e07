"""`bench export-inputs`: the grey test photographs of a data set, for programs elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import keys
from bench.contracts import PreparedSet, Progress, Wanted
from bench.contracts.request import Request
from bench.data import prepare, splits
from bench.data.source import Source
from bench.engine import planning
from bench.errors import BenchError
from bench.exchange import layout
from bench.exchange.check import Check, check
from bench.protocol import Protocol
from bench.specs import Kind
from bench.store import records
from bench.store.files import folder_for_user, write_json, write_text
from bench.text import csv_of_data, markdown

if TYPE_CHECKING:
    import numpy as np

BATCH = 64
COLUMNS = ("id", "file", "sha256", "width", "height")
LAYOUT = (
    "Colourizations of NAME.png go to OUTPUTS/NAME/0.png, 1.png, ... (8-bit RGB, sRGB, the input's "
    "size or 64x64) or 0.npy, ... "
    "(ab in CIELAB units, float32, (2, h, w)). Copy inputs.json into OUTPUTS."
)


def export_inputs(request: Request, folder: Path, progress: Progress) -> int:
    """Write the grey test photographs of the request's only data set below a folder that is new or
    empty, with `inputs.csv` and `inputs.json`; returns how many. The folder is whole or not there.
    No colour leaves: L alone is written."""
    protocol, source, test = test_part(request, progress)
    with folder_for_user(folder) as place:
        rows = list(_pictures(place, test, progress))
        write_text(place / layout.TABLE, csv_of_data(COLUMNS, rows))
        write_text(
            place / "README.md",
            f"# Inputs of {markdown(source.name)}\n\nWritten by `bench export-inputs`. {LAYOUT}\n",
        )
        write_json(place / layout.RECORD, _record(protocol, source, test))
    return len(rows)


def check_outputs(
    inputs: Path, outputs: Path, kind: Kind, k: int | None = None, draws: int | None = None
) -> Check:
    """The check of outputs that were made from exported inputs, for `k` and `draws` of the record
    unless they are given."""
    record = layout.read_record(inputs)
    if record is None:
        raise BenchError(
            f"{inputs} holds no {layout.RECORD}: give the folder that `bench export-inputs` wrote"
        )
    given = {name: n for name, n in {"k": k, "draws": draws}.items() if n is not None}
    protocol = Protocol.of({**record["protocol"], **given}, inputs / layout.RECORD)
    ids = _ids(inputs / layout.TABLE)
    return check(outputs, Wanted(record["dataset"], record["digest"], ids, ids, protocol), kind)


def grey_levels(light: np.ndarray) -> np.ndarray:
    """The sRGB grey, uint8, whose CIELAB lightness is L in 0..100, to half a level (0.26 in L at
    most).

    >>> import numpy as np
    >>> grey_levels(np.array([[0.0, 53.585, 100.0]])).tolist()
    [[0, 128, 255]]
    """
    import numpy as np
    import torch

    from bench.colour import lab_to_rgb

    values = torch.from_numpy(np.asarray(light, dtype=np.float64))
    rgb = lab_to_rgb(values, torch.zeros(2, *values.shape, dtype=torch.float64))
    levels: np.ndarray = (255 * rgb[1]).round().to(torch.uint8).numpy()  # green: nearly all of Y
    return levels


def test_part(request: Request, progress: Progress) -> tuple[Protocol, Source, PreparedSet]:
    """The protocol, the data set and the prepared test photographs of a request's first data set."""
    source, protocol, store = planning.first_source(request, progress)
    splits.check(request.splits, [source.name])
    test = prepare.prepare(
        source,
        "test",
        request.limit_test,
        protocol,
        store,
        progress,
        request.strict,
        request.memory,
    )
    return protocol, source, test


def _pictures(place: Path, test: PreparedSet, progress: Progress) -> Iterator[dict[str, Any]]:
    from PIL import Image

    with progress.task(f"writing inputs of {test.dataset}", len(test)) as bar:
        for start in range(0, len(test), BATCH):
            some = slice(start, min(start + BATCH, len(test)))
            for image, light in zip(test.ids[some], test.grey(some)[:, 0].numpy(), strict=True):
                name, levels = f"{layout.stem(image)}.png", grey_levels(light)
                with _new_file(place / name, image) as stream:
                    Image.fromarray(levels).save(stream, "PNG")
                height, width = levels.shape
                yield dict(
                    zip(
                        COLUMNS,
                        (image, name, keys.sha256(levels.tobytes()), width, height),
                        strict=True,
                    )
                )
                bar.advance()


@contextmanager
def _new_file(path: Path, image: str) -> Iterator[io.BufferedWriter]:
    """A file that is not there yet: two ids may be one name to a file system that ignores case."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            yield stream
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise BenchError(
            f"photograph '{image}' and another one have names that are the same, or file and "
            "folder, here: "
            "rename one in the data set, or export on another file system"
        ) from error


def _ids(table: Path) -> tuple[str, ...]:
    return tuple(row["id"] for _, row in records.read_csv(table, ["id"], "export the inputs again"))


def _record(protocol: Protocol, source: Source, test: PreparedSet) -> dict[str, Any]:
    return {
        "schema_version": layout.SCHEMA,
        "huebench": version("huebench"),
        "dataset": source.name,
        "digest": source.digest,
        "protocol": protocol.describe(),
        "protocol_digest": protocol.digest,
        "preparation": protocol.preparation,
        "split_digest": keys.digest_of(source.test),
        "photographs": len(test),
        "ids_digest": keys.digest_of(test.ids),
        "excluded": test.excluded,
        "k": protocol.k,
        "draws": protocol.draws,
        "layout": LAYOUT,
    }
