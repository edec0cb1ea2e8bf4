"""Run folders: killed at every write, after power cuts, truncated, with flipped bits."""

import json
import random
import re
from pathlib import Path

from benchmarks.torture.trial import Outcome, Tally, command, copied
from benchmarks.torture.writes import killing, moments, recording
from handgrad.training import loop

TRAIN = [
    "train", "-i", "words.txt", "-o", "run", "--block-size=3", "--n-embd=4", "--n-hidden=8",
    "--batch-size=4", "--threads=1", "--checkpoint-every=10", "--eval-every=10",
    "--lr-decay-at=20",
]  # fmt: skip
STEPS = 40
RESUME = ["train", "--resume", "-o", "run", f"--steps={STEPS}", "--threads=1"]
COMMANDS = {
    "resume": RESUME,
    "evaluate": ["evaluate", "run", "--json", "-"],
    "sample": ["sample", "run", "-n", "20", "--json", "-"],
}
READ_BY_ALL = ("config.json", "train.json", "model.safetensors")
"""Files that all three commands read; the others matter to `resume` alone."""
TRUNCATIONS, FLIPS = 50, 200


def prepare(folder: Path) -> None:
    """Write the words to train on."""
    draw = random.Random(1)
    words = dict.fromkeys("".join(draw.choices("abcdefg", k=draw.randint(2, 6))) for _ in range(90))
    (folder / "words.txt").write_text("\n".join(words) + "\n")


def make_whole(folder: Path) -> None:
    """Make the run that all others are compared with, `whole`."""
    _sure(command(folder, *TRAIN, f"--steps={STEPS}"))
    (folder / "run").rename(folder / "whole")


def kills(folder: Path) -> Tally:
    """Kill a training at every write, resume it, compare the bits."""
    tally, at = Tally("kill -9 at every write of a training, then resume"), 0
    while True:
        at += 1
        clear(folder / "run")
        killed = command(folder, *TRAIN, f"--steps={STEPS}", before=killing(at))
        if killed.code == 0:
            return tally
        outcome = command(folder, *RESUME)
        begun = (folder / "run" / "model.safetensors").exists()
        tally.count(f"killed at write {at}", outcome, _same_model(folder), not begun)


def power_cuts(folder: Path) -> Tally:
    """Resume from what a disk may hold after a power cut at every write."""
    tally, log = Tally("power cut at every write of a training, then resume"), folder / "log"
    clear(folder / "run")
    _sure(command(folder, *TRAIN, f"--steps={STEPS}", before=recording(folder / "run", log)))
    for number, moment in enumerate(moments(log)):
        for how, state in moment.states(number):
            clear(folder / "run")
            (folder / "run").mkdir()
            for name, content in state.items():
                (folder / "run" / name).write_bytes(content)
            outcome = command(folder, *RESUME)
            # before the first commit is safe, there may be nothing to resume
            begun = "model.safetensors" in moment.safe_names
            same = _same_model(folder)
            tally.count(f"power cut at write {number}, {how}", outcome, same, not begun)
    return tally


def damage(folder: Path) -> list[Tally]:
    """Truncate every file of an unfinished run, and flip bits; resume, evaluate, sample."""
    clear(folder / "run")
    _sure(command(folder, *TRAIN, "--steps=20"))
    half = folder / "half"
    (folder / "run").rename(half)
    expected = {}
    for name, arguments in COMMANDS.items():
        copied(half, folder / "run")
        expected[name] = _sure(command(folder, *arguments)).out
    truncated, flipped = Tally("a file of a run truncated"), Tally("a flipped bit in a run")
    files = sorted(half.iterdir())
    draw = random.Random(1)
    cases = [
        (truncated, path, path.read_bytes()[: path.stat().st_size * nth // TRUNCATIONS])
        for path in files
        for nth in range(TRUNCATIONS)
    ]
    for _ in range(FLIPS):
        path = draw.choice(files)
        content = bytearray(path.read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        cases.append((flipped, path, bytes(content)))
    for tally, path, damaged in cases:
        for name, arguments in COMMANDS.items():
            if name != "resume" and path.name not in READ_BY_ALL:
                continue
            run = copied(half, folder / "run")
            (run / path.name).write_bytes(damaged)
            outcome = command(folder, *arguments, before=_undrawn)
            same = _plain(outcome.out) == _plain(expected[name])
            if name == "resume":
                same = _same_model(folder)
            tally.count(f"{path.name}, {len(damaged)} bytes, {name}", outcome, same)
    return [truncated, flipped]


def _undrawn() -> None:
    """Draw no picture, which takes longer than everything else; the other parts draw it."""
    loop.draw_losses = lambda *_: None  # type: ignore[attr-defined]


def _same_model(folder: Path) -> bool:
    """Return whether `run` ended as `whole` did: the bytes of the model, the step in train.json."""
    run, whole = folder / "run", folder / "whole"
    try:
        pairs = [(path / "model.safetensors").read_bytes() for path in (run, whole)]
        steps = [json.loads((path / "train.json").read_text())["step"] for path in (run, whole)]
    except (OSError, ValueError):
        return False
    return pairs[0] == pairs[1] and steps[0] == steps[1]


def _plain(out: str) -> str:
    return re.sub(r"\d+\.\d s", "S", out)


def _sure(outcome: Outcome) -> Outcome:
    if outcome.code or "Traceback" in outcome.err:
        raise SystemExit(f"an undamaged command failed: {outcome}")
    return outcome


def clear(run: Path) -> None:
    """Delete a run folder, if there is one."""
    if run.exists():
        for path in run.iterdir():
            path.unlink()
        run.rmdir()
