"""metrics.csv: one row for each period of a run, the data of the loss curve."""

import csv
import hashlib
import io
import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from handgrad.errors import RunError
from handgrad.files import read_regular, write_atomic

FILE = "metrics.csv"


@dataclass(frozen=True)
class MetricsRow:
    """The end of a period of steps. Losses in nats per character; None for an empty split."""

    step: int
    """Number of updates made."""
    lr: float
    loss: float
    """Mean batch loss since the previous row."""
    train_loss: float | None
    val_loss: float | None
    seconds: float
    """Training time since the start of the run."""


HEADER = tuple(field.name for field in fields(MetricsRow))


class MetricsFile:
    """metrics.csv, open for appending. Raises RunError, one line, if it is not writable."""

    def __init__(self, folder: Path, resumed_at: int = 0) -> None:
        """Keep the rows up to step `resumed_at`: a killed run may have written later ones."""
        self._path = folder / FILE
        kept = [row for row in read_metrics(folder) if row.step <= resumed_at]
        write_atomic(
            self._path, "".join(_line(row) for row in (HEADER, *map(astuple, kept))).encode()
        )

    def add(self, row: MetricsRow) -> None:
        """Append a row and sync it to disk: a later checkpoint relies on it."""
        try:
            with open(self._path, "ab") as file:
                file.write(_line(astuple(row)).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise RunError(f"cannot write {self._path}: {error.strerror}") from error


def digest_of_rows(folder: Path, step: int) -> str:
    """Return the SHA-256 of the rows up to `step`, as they are written."""
    rows = (row for row in read_metrics(folder) if row.step <= step)
    return hashlib.sha256("".join(_line(astuple(row)) for row in rows).encode()).hexdigest()


def read_metrics(folder: Path) -> list[MetricsRow]:
    """Return the rows of metrics.csv, up to a row that a full disk or a kill has cut short."""
    try:
        lines = read_regular(folder / FILE).decode().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise RunError(f"cannot read {folder / FILE}: delete it and continue without it") from error
    rows: list[MetricsRow] = []
    for line in lines[1:]:
        cells = line.split(",")  # no cell is quoted
        try:
            step, lr, loss, train_loss, val_loss, seconds = cells
            row = MetricsRow(
                int(step),
                float(lr),
                float(loss),
                _optional(train_loss),
                _optional(val_loss),
                float(seconds),
            )
        except ValueError:
            break
        rows.append(row)
    return rows


def _optional(cell: str) -> float | None:
    return float(cell) if cell else None


def _line(cells: tuple[object, ...]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(
        f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells
    )
    return out.getvalue()
