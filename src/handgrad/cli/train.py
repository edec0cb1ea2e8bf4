"""`handgrad train`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from handgrad.cli import model_options, options
from handgrad.cli.output import INTERRUPTED, check_target, marked, sayer
from handgrad.errors import SettingsError
from handgrad.files import notice, report_json
from handgrad.training.reporter import check_tensorboard
from handgrad.training.settings import check_given

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.training.folder import RunFolder
    from handgrad.training.loop import Result
    from handgrad.training.reporter import Reporter
    from handgrad.training.state import Checkpoint

SAMPLES = 10


def train(
    data: options.DataOption = None,
    model: model_options.ModelOption = None,
    preset: model_options.PresetOption = None,
    out: options.OutOption = None,
    steps: options.StepsOption = None,
    epochs: options.EpochsOption = None,
    batch_size: options.BatchSizeOption = None,
    accumulate: options.AccumulateOption = None,
    lr: options.LrOption = None,
    lr_decay: options.LrDecayOption = None,
    lr_decay_at: options.LrDecayAtOption = None,
    schedule: options.ScheduleOption = None,
    lr_min: options.LrMinOption = None,
    warmup: options.WarmupOption = None,
    block_size: model_options.BlockSizeOption = None,
    n_embd: model_options.NEmbdOption = None,
    n_hidden: model_options.NHiddenOption = None,
    n_layer: model_options.NLayerOption = None,
    n_head: model_options.NHeadOption = None,
    truncate: model_options.TruncateOption = None,
    dropout: model_options.DropoutOption = None,
    tied: model_options.TiedOption = None,
    batchnorm: model_options.BatchnormOption = None,
    hidden_bias: model_options.HiddenBiasOption = None,
    blank: model_options.BlankOption = None,
    init: model_options.InitOption = None,
    init_from: options.InitFromOption = None,
    optimizer: options.OptimizerOption = None,
    weight_decay: options.WeightDecayOption = None,
    clip: options.ClipOption = None,
    seed: options.SeedOption = None,
    engine: options.EngineOption = None,
    device: options.DeviceOption = None,
    threads: options.ThreadsOption = None,
    dtype: options.DtypeOption = None,
    eval_every: options.EvalEveryOption = None,
    verify_every: options.VerifyEveryOption = None,
    checkpoint_every: options.CheckpointEveryOption = None,
    patience: options.PatienceOption = None,
    best: options.BestOption = None,
    verify: options.VerifyOption = False,
    show_step: options.ShowStepOption = False,
    resume: options.ResumeOption = False,
    tensorboard: options.TensorBoardOption = False,
    json: options.JsonOption = None,
) -> None:
    """Train on a text file, one item per line; evaluate and print samples.

    Ctrl-C finishes the step, saves, and prints the command that resumes the run.
    """
    given = _given(locals())
    check_given(given)
    check_target(json)
    if tensorboard:
        check_tensorboard()
    say = sayer(sys.stderr if json == "-" else sys.stdout)
    if show_step:
        print(_step(out, given, resume=resume), end="")
        return
    opened = (_resumed if resume else _begun)(out, given, say, verify=verify)
    with opened as (run, dataset, start):
        result = _train(run, dataset, start, say, tensorboard=tensorboard, to_stderr=json == "-")
        _report(result, dataset, say, json)


def _given(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the settings, sizes and data that the user gave."""
    others = {"out", "verify", "show_step", "resume", "tensorboard", "json"}
    return {k: v for k, v in parameters.items() if v is not None and k not in others}


@contextmanager
def _begun(
    out: Path | None, given: dict[str, Any], say: Callable[[str], None], *, verify: bool
) -> "Iterator[tuple[RunFolder, Dataset, Checkpoint]]":
    from handgrad.training.chosen import chosen
    from handgrad.training.folder import check_free
    from handgrad.training.start import begin

    if out is not None:
        check_free(out)
    settings, dataset, model, weights = chosen(given)
    begun = begin(settings, model, dataset, out, verify=verify, say=say, weights=weights)
    with begun as (run, start):
        yield run, dataset, start


@contextmanager
def _resumed(
    out: Path | None, given: dict[str, Any], say: Callable[[str], None], *, verify: bool
) -> "Iterator[tuple[RunFolder, Dataset, Checkpoint]]":
    from handgrad.training.start import resume

    if "init_from" in given:
        raise SettingsError("--init-from begins a run: leave it out to --resume one")
    with resume(_needed(out), given, verify=verify, say=say) as (run, dataset, start):
        yield run, dataset, start


def _needed(out: Path | None) -> Path:
    if out is None:
        raise SettingsError("--resume needs a run folder: name it with --out")
    return out


def _step(out: Path | None, given: dict[str, Any], *, resume: bool) -> str:
    """Return the source of the compiled step of the run in `out`, or of a run with `given`."""
    from handgrad.engine.compiled.source import step_source
    from handgrad.training.chosen import chosen
    from handgrad.training.folder import open_run
    from handgrad.training.needs import check_countable

    if resume:
        run = open_run(_needed(out))
        return step_source(run.model, run.settings.optimizer, run.settings.treatment)
    if "init_from" in given:
        raise SettingsError("--show-step of a run: use --resume --out RUN")
    settings, _, model, _ = chosen(given)
    check_countable(model)
    return step_source(model, settings.optimizer, settings.treatment)


def _train(
    run: "RunFolder",
    dataset: "Dataset",
    start: "Checkpoint",
    say: Callable[[str], None],
    *,
    tensorboard: bool,
    to_stderr: bool,
) -> "Result":
    from handgrad.training.evaluate import words_cut
    from handgrad.training.loop import train as train_loop
    from handgrad.training.reporter import ReporterGroup, TensorBoard, console_reporter

    steps = run.settings.steps
    if start.finished:
        say(f"{run.folder} is finished: {start.step} steps")
    else:
        remaining = f"from step {start.step} of {steps}" if start.step else f"{steps} steps"
        engine = f"engine {run.settings.engine}"
        say(f"{run.folder}: {run.model.n_parameters} parameters, {remaining}, {engine}")
        if line := words_cut(run.model, dataset):
            say(line)
    with ExitStack() as stack:
        reporters: list[Reporter] = []
        if tensorboard and not start.finished:
            reporters.append(stack.enter_context(TensorBoard(run.folder, start.step)))
        reporters.append(stack.enter_context(console_reporter(say, steps, start.step, to_stderr)))
        try:
            return train_loop(run, dataset, start, ReporterGroup(reporters))
        except KeyboardInterrupt:
            stack.close()  # removes the progress bar before the message
            notice(f"interrupted; resume from the last checkpoint with: {run.resume_command}")
            raise typer.Exit(INTERRUPTED) from None


def _report(
    result: "Result", dataset: "Dataset", say: Callable[[str], None], json: str | None
) -> None:
    """Print losses, samples and next commands; for a stopped run, how to resume it."""
    run = result.run
    if not result.finished:
        notice(
            f"stopped after step {result.steps} of {run.settings.steps}; "
            f"resume with: {run.resume_command}"
        )
        raise typer.Exit(INTERRUPTED)
    losses = {name: loss.nats if loss else None for name, loss in result.losses.items()}
    shown = "  ".join(f"{k} {v:.4f}" for k, v in losses.items() if v is not None)
    of = "" if result.weights_of is None else f", weights of step {result.weights_of}"
    say(f"{shown}  nats per character, after {result.steps} steps in {result.seconds:.1f} s{of}")
    say("")
    for line in _samples(run, dataset):
        say(line)
    say("")
    say(f"handgrad evaluate {run.quoted}")
    say(f"handgrad sample {run.quoted} -n 20")
    if json is not None:
        content = {
            "engine": run.settings.engine,
            "parameters": run.model.n_parameters,
            "steps": result.steps,
            **({} if result.weights_of is None else {"weights_of": result.weights_of}),
            "seconds": round(result.seconds, 3),
            **{f"{name}_loss": loss for name, loss in losses.items()},
            "run": str(run.folder),
        }
        report_json(json, content)


def _samples(run: "RunFolder", dataset: "Dataset") -> list[str]:
    from handgrad.sample import sample
    from handgrad.training.checkpoint import load

    at_end = load(run.folder, run.model, engine=run.settings.engine)
    words = sample(run.model, at_end.params, at_end.state, run.vocabulary, SAMPLES)
    return marked([word.text for word in words], dataset)
