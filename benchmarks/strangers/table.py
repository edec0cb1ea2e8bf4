"""Read the programs and their tables of faults."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
KINDS: dict[str, tuple[str, ...]] = {
    "alias": ("HG126", "HG127"),
    "axis": ("HG113", "HG137"),
    "bessel": ("HG118",),
    "branch": ("HG101", "HG103", "HG109", "HG121", "HG124"),
    "closed": ("HG119", "HG120", "HG121", "HG122", "HG123"),
    "common": ("HG222",),
    "elementwise": ("HG115", "HG114"),
    "exponent": ("HG104", "HG109", "HG116"),
    "factor": ("HG103", "HG104", "HG116"),
    "forward": ("HG106", "HG107"),
    "index": ("HG135",),
    "local": ("HG103", "HG105", "HG109"),
    "mean": ("HG117", "HG103"),
    "note": ("HG224", "HG225", "HG226"),
    "operand": ("HG107", "HG106"),
    "replaced": ("HG124", "HG101"),
    "shape": ("HG137",),
    "sign": ("HG102", "HG104"),
    "stale": ("HG128", "HG127"),
    "sum": ("HG110", "HG137"),
    "term": ("HG140", "HG105", "HG109"),
    "transpose": ("HG114", "HG115", "HG107"),
    "upstream": ("HG108",),
}
"""Kind of fault -> the causes that describe it correctly.

benchmarks/proving/causes.py says why some have several.
"""


@dataclass
class Fault:
    """One line with a fault, in place of a correct one; both without their indentation."""

    right: str
    wrong: str = ""
    causes: tuple[str, ...] = ()
    also: list[str] = field(default_factory=list)


@dataclass
class Program:
    """A correct program, its loss, its gradients, and its faults."""

    name: str
    source: str
    loss: str = ""
    gradients: list[tuple[str, str]] = field(default_factory=list)
    """Each parameter, as the target of an assignment, with the expression of its gradient."""
    more: list[str] = field(default_factory=list)
    """Expressions of other values that a fault may change."""
    still: list[str] = field(default_factory=list)
    """Lines that replace others while gradients are verified, such as `lr = 0`."""
    faults: list[Fault] = field(default_factory=list)

    def values(self) -> list[str]:
        """Return the expressions of all values by which a faulty program is told from this one."""
        return [hand for _, hand in self.gradients] + self.more

    def line_of(self, text: str) -> int:
        """Return the number of the line with this text, ignoring indentation.

        Raises ValueError unless there is exactly one such line.
        """
        found = [n for n, line in enumerate(self.source.splitlines(), 1) if line.strip() == text]
        if len(found) != 1:
            raise ValueError(f"{self.name}: {len(found)} lines read: {text}")
        return found[0]

    def with_line(self, line: int, text: str) -> str:
        """Return the source with `text` on `line`, indented as that line is."""
        return replaced(self.source, line, text)

    def planted(self, fault: Fault) -> str:
        """Return the source with this fault."""
        return self.with_line(self.line_of(fault.right), fault.wrong)

    def lines_to_blame(self, fault: Fault) -> set[int]:
        """Return the lines that a report on this fault may blame."""
        return {self.line_of(text) for text in (fault.right, *fault.also)}


def replaced(source: str, line: int, text: str, adds: bool = False) -> str:
    """Return `source` with `text` for `line`, or below it if it `adds`, indented as the line is."""
    lines = source.splitlines()
    old = lines[line - 1]
    indent = old[: len(old) - len(old.lstrip())]
    new = [indent + part if part else part for part in text.split("\n")]
    lines[line - 1 : line] = [old, *new] if adds else new
    return "\n".join(lines) + "\n"


def programs(only: str = "") -> list[Program]:
    """Return the programs whose names contain `only`, in order of their names."""
    return [_program(path) for path in sorted(PROGRAMS.glob("*.py")) if only in path.stem]


def _program(path: Path) -> Program:
    program = Program(path.stem, path.read_text())
    for line in path.with_suffix(".faults").read_text().splitlines():
        if line:
            _take(program, line[0], line[2:].strip())
    return program


def _take(program: Program, mark: str, text: str) -> None:
    if mark == "?":
        program.loss, _, pairs = (part.strip() for part in text.partition(": "))
        program.gradients = [_pair(pair.split()) for pair in pairs.split(", ")]
    elif mark == "=":
        program.more += text.split(", ")
    elif mark == "!":
        program.still.append(text)
    elif mark == "-":
        program.faults.append(Fault(text))
    elif mark == "+":
        program.faults[-1].wrong = text
    elif mark == ":":
        codes = (KINDS.get(word, (word,)) for word in text.split())
        program.faults[-1].causes = tuple(code for several in codes for code in several)
    elif mark == "@":
        program.faults[-1].also.append(text)
    else:
        raise ValueError(f"{program.name}: {mark} {text}")


def _pair(words: Sequence[str]) -> tuple[str, str]:
    return words[0], " ".join(words[1:])
