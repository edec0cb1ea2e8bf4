"""`handgrad check-function`: judge a kernel that nobody trusts, in a process of its own."""

import ast
import re
import secrets
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from handgrad.cli.output import check_target
from handgrad.errors import SettingsError

if TYPE_CHECKING:
    from handgrad.checker.functions.gate.result import GateResult

MANY = ("--inputs", "--sizes")
"""Options that take several words: --inputs x="B C" weight="C"."""
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


class WithInputs(TyperCommand):
    """A command with options that take several words."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the name of such an option before each of its words."""
        spread: list[str] = []
        option = ""
        for word in args:
            if word.startswith("--"):
                option = word if word in MANY else ""
                spread += [] if option else [word]
            elif option and ("=" in word or ":" in word):
                spread += [option, word]
            else:
                option = ""
                spread.append(word)
        return super().parse_args(ctx, spread)


def check_function(
    candidate: Annotated[
        str,
        typer.Argument(
            metavar="CANDIDATE",
            help="The function to judge: MODULE:NAME or FILE.py:NAME, such as "
            "kernels:RMSNorm.apply.",
        ),
    ],
    reference: Annotated[
        str, typer.Option(metavar="MODULE:NAME", help="The reference, in a file of its own.")
    ],
    inputs: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=SHAPE ...",
            help='Shapes in letters, such as x="B C" weight="C", or MODULE:NAME of a function '
            "that makes the inputs.",
        ),
    ],
    forward_only: Annotated[
        bool, typer.Option("--forward-only", help="Compare outputs, and no gradient.")
    ] = False,
    double_backward: Annotated[
        bool, typer.Option("--double-backward", help="Also check the gradients of the gradients.")
    ] = False,
    sizes: Annotated[
        list[str] | None,
        typer.Option(metavar="C=64,128 ...", help="The sizes of a letter.", show_default=False),
    ] = None,
    fixed: Annotated[
        str, typer.Option(metavar="LETTERS", help="Letters that keep the sizes of the examples.")
    ] = "",
    dtypes: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="The dtypes to try, with commas.", show_default="all"),
    ] = None,
    wrt: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="The inputs whose gradients are checked, with commas.",
            show_default="all floating inputs",
        ),
    ] = None,
    allow: Annotated[
        str,
        typer.Option(
            metavar="KINDS",
            help="What to report without refusing it, with commas: autograd, reference, cache.",
        ),
    ] = "",
    call_timeout: Annotated[float, typer.Option(help="Time limit for one call, in seconds.")] = 60,
    timeout: Annotated[float, typer.Option(help="Time limit for all calls, in seconds.")] = 600,
    memory: Annotated[
        str, typer.Option(metavar="SIZE", help="Memory limit, such as 512M or 8G; 0 for none.")
    ] = "8G",
    seed: Annotated[
        int | None,
        typer.Option(help="Selects the random samples.", show_default="random"),
    ] = None,
    sample: Annotated[
        str | None, typer.Option(metavar="SAMPLE", help="Run one sample of a failure alone.")
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(metavar="FILE|-", help="Write the verdict as JSON; - is standard output."),
    ] = None,
) -> None:
    """Judge a hand-written function that nobody trusts, such as a kernel that a program wrote.

    CANDIDATE runs in a process of its own, with limits on time and memory. Its outputs and
    gradients are compared with those of the reference in float64, which are computed elsewhere.

    Exit code 0: it is right.

    Exit code 1: it is wrong, it was lost, or it passes by a trick.

    Exit code 2: the command or the reference is invalid, or the problem cannot be judged.
    """
    from handgrad.checker.functions.gate.gate import Question, judge
    from handgrad.checker.functions.samples.sample import DTYPES

    check_target(json)
    question = Question(
        candidate=candidate,
        reference=reference,
        inputs=_inputs(inputs),
        seed=secrets.randbelow(10**8) if seed is None else seed,
        fixed=fixed,
        sizes=dict(map(_sizes, sizes or ())),
        dtypes=tuple(_words(dtypes)) if dtypes else DTYPES,
        wrt=None if wrt is None else tuple(_words(wrt)),
        forward_only=forward_only,
        double_backward=double_backward,
        allowed=_allowed(allow),
        sample=sample,
        call_timeout=_positive("--call-timeout", call_timeout),
        timeout=_positive("--timeout", timeout),
        memory=_bytes(memory),
    )
    options = {
        "--forward-only": forward_only,
        "--double-backward": double_backward,
        "--fixed": fixed,
        "--dtypes": dtypes,
        "--wrt": wrt,
        "--allow": allow,
        "--memory": memory if memory != "8G" else None,
    }
    words = ["handgrad", "check-function", candidate, "--reference", reference]
    words += ["--inputs", *inputs, *(["--sizes", *sizes] if sizes else [])]
    for name, value in options.items():
        words += [name] if value is True else [name, str(value)] if value else []
    words += ["--seed", str(question.seed)]

    def again(one: str | None) -> str:
        return shlex.join([*words, *(["--sample", one] if one else [])])

    result = judge(question, again)
    _show(result, json)
    raise typer.Exit(result.exit_code)


def _show(result: "GateResult", json: str | None) -> None:
    if json is not None:
        from handgrad.files import report_json

        report_json(json, result.to_json())
    if json != "-":
        print(result.to_text())


def _inputs(words: list[str]) -> Any:
    """Return `x=B C` as a dict of shapes and constants, `module:make` as it is."""
    if len(words) == 1 and "=" not in words[0]:
        return words[0]
    inputs: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier():
            raise SettingsError(f'--inputs {word}: write NAME=SHAPE, such as x="B C"')
        inputs[name] = _constant(text)
    return inputs


def _constant(text: str) -> Any:
    """Return a number with a point, True, None, a tuple or a quoted string as it is in Python."""
    if re.fullmatch(r"[\s\d]+", text):
        return text  # fixed sizes
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _sizes(word: str) -> tuple[str, tuple[int, ...]]:
    letter, _, text = word.partition("=")
    try:
        return letter, tuple(int(n) for n in text.split(","))
    except ValueError:
        raise SettingsError(f"--sizes {word}: write LETTER=SIZE,SIZE such as C=64,128") from None


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", text) if word]


def _allowed(text: str) -> tuple[str, ...]:
    from handgrad.checker.functions.gate.tricks import ALLOWABLE

    words = _words(text)
    for word in words:
        if word not in ALLOWABLE:
            raise SettingsError(f"--allow {word}: known: {', '.join(ALLOWABLE)}")
    return tuple(words)


def _positive(option: str, seconds: float) -> float:
    if not seconds > 0:
        raise SettingsError(f"{option} {seconds:g}: must be more than 0 seconds")
    return seconds


def _bytes(text: str) -> int | None:
    matched = re.fullmatch(r"(\d+)([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not matched:
        raise SettingsError(f"--memory {text}: write a size such as 512M or 8G")
    return int(matched[1]) * UNITS[matched[2].upper()] or None
