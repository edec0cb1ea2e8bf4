"""The functions of tests/checker/functions/reported over the whole grid.

Exits with 1 if a right function fails, or a wrong one passes or fails for another reason.
"""

import sys
from importlib import import_module
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"


def main() -> int:
    sys.path.insert(0, str(TESTS))
    from handgrad import check_function

    reported = import_module("checker.functions.reported")
    differ = []
    for name, (right, wrong) in reported.PAIRS.items():
        report = check_function(right.function, right.reference, right.inputs, **right.options)
        if not report.ok:
            differ.append(f"{name}: the right function fails\n{report}")
        report = check_function(wrong.function, wrong.reference, wrong.inputs, **wrong.options)
        codes = {failure.code for failure in report.failures}
        if report.ok or not (codes & {*wrong.codes} or name in reported.UNEXPLAINED):
            differ.append(f"{name}: the wrong function\n{report}")
    print(
        "\n\n".join(differ)
        or f"{len(reported.PAIRS)} right functions pass, {len(reported.PAIRS)} wrong ones fail"
    )
    return bool(differ)


if __name__ == "__main__":
    sys.exit(main())
