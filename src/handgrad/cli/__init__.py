"""The command line: one module per command; this one adds them and turns errors into one line.

Exit codes: 0 success, 1 a gradient is wrong, 2 the command or its input is invalid, 130 Ctrl-C.
Commands import heavy packages when they run, so that `handgrad --help` is fast.
"""

import errno
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from handgrad.cli.arguments import WithArguments
from handgrad.cli.check import check
from handgrad.cli.check_function import WithInputs, check_function
from handgrad.cli.derive import derive
from handgrad.cli.evaluate import evaluate
from handgrad.cli.exercise import exercise
from handgrad.cli.explain import explain
from handgrad.cli.output import INTERRUPTED
from handgrad.cli.sample import sample
from handgrad.cli.train import train
from handgrad.cli.verify import verify
from handgrad.errors import HandgradError
from handgrad.text import printable
from handgrad.version import __version__

USAGE_ERROR = 2
BROKEN_PIPE = 141  # 128 + SIGPIPE


class Commands(TyperGroup):
    """The commands. Ctrl-C in a command prints a message: typer would exit silently."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises Abort if it is interrupted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Abort from error


app = typer.Typer(
    name="handgrad",
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
KINDS: dict[object, type[TyperCommand]] = {check: WithArguments, check_function: WithInputs}
"""Commands that read their arguments in a way of their own."""
for command in (train, evaluate, sample, verify, check, check_function, derive, exercise, explain):
    app.command(cls=KINDS.get(command))(command)


def _version(requested: bool) -> None:
    if requested:
        print(f"handgrad {__version__}")
        raise typer.Exit


@app.callback()
def handgrad(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Check hand-written backward passes line by line, train with them, sample from the model."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code; `arguments` are sys.argv's by default."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. An expected error is one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # other encodings than UTF-8 must not raise
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(
            args=None if arguments is None else list(arguments),
            prog_name="handgrad",
            standalone_mode=False,
        )
        sys.stdout.flush()  # so that a closed pipe raises here
        return code if isinstance(code, int) else 0
    except HandgradError as error:
        return _say(str(error), error.exit_code)
    except SystemExit as stop:
        # on a closed pipe typer exits with 1, which here means a wrong gradient
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        _forget_stdout()
        return BROKEN_PIPE
    except BrokenPipeError:
        _forget_stdout()
        return BROKEN_PIPE
    except OSError as error:
        return _cannot_write(error)
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED)
    except Exception as error:
        # usage errors: their class differs between versions of typer, their method does not
        if not hasattr(error, "format_message"):
            raise
        return _say(_usage(error), USAGE_ERROR)


def _say(message: str, code: int) -> int:
    """Print a message on one line, in which paths and names control no terminal."""
    if message:
        line = printable(" ".join(message.split("\n")))
        with suppress(OSError):  # stderr is full or closed too
            print(f"handgrad: {line}", file=sys.stderr)
    return code


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _cannot_write(error: OSError) -> int:
    """Say that standard output cannot be written. Raises `error` if it is about something else."""
    if error.errno not in _NO_SPACE or error.filename is not None:
        raise error
    _forget_stdout()
    return _say(f"cannot write to standard output: {error.strerror}", USAGE_ERROR)


def _usage(error: Exception) -> str:
    message = str(error.format_message())  # type: ignore[attr-defined]
    if not message.strip():
        return ""  # no command was given; typer has shown the help
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "handgrad"
    return f"{message.rstrip('.')}: see {command} --help"


def _forget_stdout() -> None:
    """Redirect stdout, which Python flushes at exit, to the null device."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
