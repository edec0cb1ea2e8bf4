"""The functions of tests/checker/functions/reported over the whole grid.

Exits with 1 if a right function fails, or a wrong one passes or fails for another reason.
"""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"


def main() -> int:
    sys.path.insert(0, str(TESTS))
    from checker.functions.reported import PAIRS, UNEXPLAINED  # type: ignore[import-not-found]
    from handgrad import check_function

    differ = []
    for name, (right, wrong) in PAIRS.items():
        report = check_function(right.function, right.reference, right.inputs, **right.options)
        if not report.ok:
            differ.append(f"{name}: the right function fails\n{report}")
        report = check_function(wrong.function, wrong.reference, wrong.inputs, **wrong.options)
        codes = {failure.code for failure in report.failures}
        if report.ok or not (codes & {*wrong.codes} or name in UNEXPLAINED):
            differ.append(f"{name}: the wrong function\n{report}")
    print("\n\n".join(differ) or f"{len(PAIRS)} right functions pass, {len(PAIRS)} wrong ones fail")
    return bool(differ)


if __name__ == "__main__":
    sys.exit(main())
