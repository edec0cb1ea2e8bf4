"""`handgrad sample`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.cli import options
from handgrad.cli.output import check_target, is_new, marked
from handgrad.errors import DataError
from handgrad.files import report_json

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.sample import SampledWord
    from handgrad.train.folder import RunFolder


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
    from handgrad.sample import Sampling, sample
    from handgrad.train.backends import backend_of
    from handgrad.train.checkpoint import load
    from handgrad.train.folder import open_run

    how = Sampling(seed, temperature, top_k, prefix, max_length)
    check_target(json)
    opened = open_run(run)
    at = load(opened.folder, opened.model, engine=opened.settings.engine)
    backend = backend_of(opened.settings.engine)
    with backend.threads(1, opened):  # groups are too small for several threads
        words = sample(opened.model, at.params, at.state, opened.vocabulary, n, how)
    cut = sum(not word.ended for word in words)
    if cut:
        print(f"{cut} of {n} samples cut at --max-length {max_length} characters", file=sys.stderr)
    _show(words, _training_words(opened, data), json)


def _training_words(run: "RunFolder", source: str | None) -> "Dataset | None":
    """Return the training words; None, with a line on stderr, if they are unavailable."""
    from handgrad.train.start import training_data

    try:
        return training_data(run, source)
    except DataError as error:
        print(f"not marked: {error}", file=sys.stderr)
        return None


def _show(words: "list[SampledWord]", dataset: "Dataset | None", json: str | None) -> None:
    texts = [word.text for word in words]
    if json != "-":
        for line in texts if dataset is None else marked(texts, dataset):
            print(line)
    if json is not None:
        samples = [
            {"text": text, "new": None if dataset is None else is_new(text, dataset)}
            for text in texts
        ]
        report_json(json, {"samples": samples})
