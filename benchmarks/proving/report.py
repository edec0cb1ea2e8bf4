"""The proving ground's tables as Markdown, written into the docs between markers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.proving.causes import Explained
from benchmarks.proving.generate import Generated


def by_kind(generated: Generated, missed: Counter[str], explained: Mapping[str, Explained]) -> str:
    """Return a table with a row per kind: faults, named exactly, explained, and left out."""
    counts = Counter(fault.kind for fault in generated.faults)
    rows = [
        [kind, str(n), str(n - missed[kind]), str(explained[kind].right),
         str(explained[kind].offered), str(generated.unchanged[kind]), str(generated.raises[kind])]
        for kind, n in counts.items()
    ]  # fmt: skip
    all_of = explained.values()
    why = [sum(each.right for each in all_of), sum(each.offered for each in all_of)]
    left_out = [generated.unchanged.total(), generated.raises.total()]
    total = ["**all**", counts.total(), counts.total() - missed.total(), *why, *left_out]
    head = ["kind", "faults", "named exactly", "right cause", "line offered, verified",
            "left out: changes nothing", "left out: raises"]  # fmt: skip
    return table(head, [*rows, [str(cell) for cell in total]])


def on_pairs(kinds: int, every: int, drawn: int, missed: Sequence[int]) -> str:
    """Return a table with a row per way of pairing."""
    rows = [
        [f"every two of one fault of each of {kinds} kinds", str(every), str(every - missed[0])],
        ["any two faults, at random", str(drawn), str(drawn - missed[1])],
    ]
    return table(["two faults at once", "programs", "named exactly"], rows)


def on_alarms(families: dict[str, tuple[int, Counter[str], int]]) -> str:
    """Return a table with a row per family of correct programs."""
    rows = [
        [name, str(n), str(found["exact"] + found["rounding"]), str(found["exact"]), str(cried)]
        for name, (n, found, cried) in families.items()
    ]
    head = ["correct programs", "programs", "gradients right", "of them bit for bit"]
    return table([*head, "false alarms"], rows)


def beside(rows: Sequence[Sequence[str]], faults: int, pairs: int, passes: int) -> str:
    """Return the table of the checker beside other tools."""
    head = ["", f"found, of {faults}", f"named, of {faults}", f"both named, of {pairs}",
            f"false alarms, of {passes}", "CPU ms per program"]  # fmt: skip
    return table(head, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with right-aligned numbers."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def write(path: Path, parts: dict[str, str]) -> None:
    """Write each part between its markers in the file. Raises ValueError if a marker is missing."""
    text = path.read_text()
    for name, part in parts.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        if begin not in text or end not in text:
            raise ValueError(f"{path} has no markers for {name}")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{part}\n\n{end}{rest.partition(end)[2]}"
    path.write_text(text)
