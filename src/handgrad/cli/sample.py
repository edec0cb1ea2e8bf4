"""handgrad sample."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from handgrad.cli import options
from handgrad.cli.output import check_target, is_new, marked
from handgrad.errors import DataError
from handgrad.files import report_json

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.sample import Sample
    from handgrad.train.folder import Run


def sample(
    run: options.RunFolder,
    n: Annotated[int, typer.Option("-n", help="Samples.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Sample i follows from it and i alone.")] = 42,
    temperature: Annotated[
        float, typer.Option("--temperature", help="0 takes the likeliest; more is more even.")
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option("--top-k", help="Draw from the k likeliest symbols.")
    ] = None,
    prefix: Annotated[str, typer.Option("--prefix", help="What every sample begins with.")] = "",
    max_length: Annotated[
        int, typer.Option("--max-length", help="Characters after which a sample is cut.")
    ] = 500,
    data: options.OtherData = None,
    json: options.Json = None,
) -> None:
    """Draw words, each marked new, or known from the training words."""
    from handgrad.sample import Sampling, sample
    from handgrad.train.checkpoint import load
    from handgrad.train.folder import open_run
    from handgrad.train.runtime import runtime_of

    how = Sampling(seed, temperature, top_k, prefix, max_length)
    check_target(json)
    opened = open_run(run)
    at = load(opened.folder, opened.model, engine=opened.settings.engine)
    runtime = runtime_of(opened.settings.engine)
    with runtime.threads(1, opened):  # groups are small: more would only wait for each other
        words = sample(opened.model, at.params, at.state, opened.vocabulary, n, how)
    cut = sum(not word.ended for word in words)
    if cut:
        print(f"{cut} cut at --max-length {max_length} characters", file=sys.stderr)
    _show(words, _training_words(opened, data), json)


def _training_words(run: "Run", source: str | None) -> "Dataset | None":
    """What samples are marked by; None, and a line that says so, where it is not at hand."""
    from handgrad.train.start import training_data

    try:
        return training_data(run, source)
    except DataError as error:
        print(f"not marked: {error}", file=sys.stderr)
        return None


def _show(words: "list[Sample]", dataset: "Dataset | None", json: str | None) -> None:
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
