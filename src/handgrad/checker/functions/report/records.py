"""What a check of a function found, as plain data."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class BlamedLine:
    """A line of the user's backward that makes a gradient wrong. Its correction has been run."""

    line: int
    statement: str | None
    """None if the correction belongs to another line than the gradient's own."""
    fix: str | None
    code: str | None = None
    message: str | None = None
    adds: bool = False
    """Whether the correction is to be added below the line."""


@dataclass(frozen=True)
class Failure:
    """One way of failing, at the simplest sample that fails so."""

    quantities: tuple[str, ...]
    """`output`, `gradient of x`, `second gradient of x`, `backward`."""
    sample: str
    arrays: tuple[str, ...]
    """The inputs of that sample: `x f32[3,65]`."""
    error: str
    """The size of the error, and where it is."""
    failed: str
    """How many samples fail so, and what they have in common."""
    ratio: float | None = None
    """R = |result - truth| / what rounding explains; None if it is not finite."""
    code: str | None = None
    name: str | None = None
    message: str | None = None
    fix: str | None = None
    lines: tuple[BlamedLine, ...] = ()
    """The lines of backward that are to blame."""
    again: str | None = None
    """The command that runs this sample alone."""


@dataclass(frozen=True)
class FunctionReportData:
    """What `handgrad.check_function` found."""

    function: str
    failures: tuple[Failure, ...]
    samples: int
    """How many samples were judged."""
    dtypes: tuple[str, ...]
    """The dtypes that the function supports."""
    notes: tuple[str, ...] = ()
    """Dtypes, sizes and layouts that the function refuses, and other remarks."""
    sizes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """The sizes of each letter that were judged."""
    version: int = field(default=1, init=False)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures
