"""What the proving ground found, as Markdown, and into the docs between markers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.proving.causes import Explained
from benchmarks.proving.generate import Generated


def by_kind(generated: Generated, missed: Counter[str], explained: Mapping[str, Explained]) -> str:
    """Return a row a kind: faults, named exactly, explained, and the candidates that are none."""
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
    """Return a row a way of pairing."""
    rows = [
        [f"every two of one fault of each of {kinds} kinds", str(every), str(every - missed[0])],
        ["any two faults, at random", str(drawn), str(drawn - missed[1])],
    ]
    return table(["two faults at once", "programs", "named exactly"], rows)


def on_alarms(families: dict[str, tuple[int, Counter[str], int]]) -> str:
    """Return a row a family of correct programs: how many, the verdicts, the false alarms."""
    rows = [
        [name, str(n), str(found["exact"] + found["rounding"]), str(found["exact"]), str(cried)]
        for name, (n, found, cried) in families.items()
    ]
    head = ["correct programs", "programs", "gradients right", "of them bit for bit"]
    return table([*head, "false alarms"], rows)


def beside(rows: Sequence[Sequence[str]], faults: int, pairs: int, passes: int) -> str:
    """Return the checker beside its peers."""
    head = ["", f"found, of {faults}", f"named, of {faults}", f"both named, of {pairs}",
            f"false alarms, of {passes}", "ms of processor a program"]  # fmt: skip
    return table(head, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; numbers to the right."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def write(path: Path, parts: dict[str, str]) -> None:
    """Put each part between its markers in the file. Raises ValueError where one is missing."""
    text = path.read_text()
    for name, part in parts.items():
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        if begin not in text or end not in text:
            raise ValueError(f"{path} has no markers for {name}")
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}\n{part}\n\n{end}{rest.partition(end)[2]}"
    path.write_text(text)
