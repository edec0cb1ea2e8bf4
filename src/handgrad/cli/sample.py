"""`handgrad sample`."""

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.cli import options
from handgrad.cli.output import check_target, is_new, marked, sayer
from handgrad.errors import DataError
from handgrad.files import report_json
from handgrad.text import printable

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.sample import SampledWord
    from handgrad.training.folder import RunFolder


GROUP = 64
"""Lines that are flushed together."""


def sample(
    run: options.RunArgument,
    n: Annotated[int, typer.Option("-n", help="Number of samples.")] = 20,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed; sample i depends on (seed, i) alone.")
    ] = 42,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature", help="0 takes the most likely symbol; higher is more random."
        ),
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option("--top-k", help="Sample from the k most likely symbols.")
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="First characters of every sample.")] = "",
    max_length: Annotated[
        int, typer.Option("--max-length", help="Maximum number of characters per sample.")
    ] = 500,
    data: options.OtherDataOption = None,
    json: options.JsonOption = None,
) -> None:
    """Sample words; each is marked as new, or as known from the training words."""
    from handgrad.sample import Sampling, stream
    from handgrad.training.backends import backend_of
    from handgrad.training.checkpoint import load
    from handgrad.training.folder import open_run

    how = Sampling(seed, temperature, top_k, prefix, max_length)
    check_target(json)
    opened = open_run(run)
    at = load(opened.folder, opened.model, engine=opened.settings.engine)
    backend = backend_of(opened.settings.engine)
    dataset = _training_words(opened, data)
    with backend.threads(1, opened):  # groups are too small for several threads
        words = stream(opened.model, at.params, at.state, opened.vocabulary, n, how)
        cut = _show(words, dataset, json)
    if cut:
        print(f"{cut} of {n} samples cut at --max-length {max_length} characters", file=sys.stderr)


def _training_words(run: "RunFolder", source: str | None) -> "Dataset | None":
    """Return the training words; None, with a line on stderr, if they are unavailable."""
    from handgrad.training.start import training_data

    try:
        return training_data(run, source)
    except DataError as error:
        sayer(sys.stderr)(f"not marked: {error}")
        return None


def _show(words: "Iterable[SampledWord]", dataset: "Dataset | None", json: str | None) -> int:
    """Print words as they come, or collect them for JSON; return how many were cut."""
    samples, cut = [], 0
    for nth, word in enumerate(words, 1):
        cut += not word.ended
        if json != "-":
            line = word.text if dataset is None else marked([word.text], dataset)[0]
            # flushed in groups: a flush per line would take longer than its word
            print(printable(line), flush=nth % GROUP == 0)
        if json is not None:
            new = None if dataset is None else is_new(word.text, dataset)
            samples.append({"text": word.text, "new": new})
    if json is not None:
        report_json(json, {"samples": samples})
    return cut
