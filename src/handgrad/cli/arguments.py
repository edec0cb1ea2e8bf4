"""What follows `--` on the command line of `handgrad check`: the checked script's own arguments."""

from typing import Any

import typer
from typer.core import TyperCommand

KEY = "handgrad.arguments"


class WithArguments(TyperCommand):
    """A command that keeps what follows `--` for the script.

    Where no file stands before it, `--` has its usual meaning: files follow that begin with a dash.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before `--`."""
        if "--" in args[1:]:
            end = args.index("--", 1)
            ctx.meta[KEY] = args[end + 1 :]
            args = args[:end]
        return super().parse_args(ctx, args)


def script_arguments(context: typer.Context) -> list[str]:
    """Return what follows `--` on the command line of this context."""
    return list(context.meta.get(KEY, ()))
