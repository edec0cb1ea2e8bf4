"""The pytest plugin: a fixture `handgrad` whose checks fail the test with their report.

    def test_layer_norm(handgrad):
        handgrad.check_function(LayerNorm.apply, layer_norm, {"x": "B C", "weight": "C"})

The plugin imports torch only when a test uses the fixture. pytest loads it by the entry point
`pytest11`. The entry point has the name of this module, so that `-p` does not load it twice.
"""

import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from handgrad.checker.functions.report.report import FunctionReport
    from handgrad.checker.functions.samples.sample import CheckSample
    from handgrad.checker.report.report import Report

LEVELS = ("where", "what", "fix")
DEFAULTS: dict[str, type] = {"hint": str, "dtypes": list, "double_backward": bool, "seed": int}
"""What `[tool.handgrad]` in pyproject.toml may set, and the type of each."""


class Handgrad:
    """The fixture. `hint` is how much a failure reveals, `sample` the one sample to run.

    `defaults` are options of every `check_function`.
    """

    def __init__(
        self, item: pytest.Item, hint: Any, sample: str | None, defaults: Mapping[str, Any]
    ) -> None:
        self._item = item
        self._node = item.nodeid
        self._hint = hint
        self._sample = sample
        self._defaults = defaults
        self._calls = 0

    def check(
        self,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        inputs: Sequence[Any] | Mapping[str, Any],
        pairs: Mapping[str, str] | None = None,
    ) -> "Report":
        """Check two functions, as `handgrad.check` does, and fail the test if a gradient is wrong.

        Returns the report. Raises CheckError if there is nothing to check.
        """
        __tracebackhide__ = True
        from handgrad.checker.api import check

        report = check(forward, backward, inputs, pairs=pairs)
        if not report.ok:
            pytest.fail(report.hinted(self._hint).to_text(), pytrace=False)
        return report

    def check_function(
        self,
        function: Callable[..., Any],
        reference: Callable[..., Any],
        inputs: Any,
        **options: Any,
    ) -> "FunctionReport":
        """Check a function, as `handgrad.check_function` does, and fail the test if it is wrong.

        `options` are those of `handgrad.check_function`. Returns the report. Raises CheckError if
        there is nothing to compare.
        """
        __tracebackhide__ = True
        from handgrad.checker.functions.check import run_check

        self._calls += 1
        options = {**self._defaults, **options}
        number, text = _numbered(self._sample)
        if text is not None and number == self._calls:
            options["sample"] = text
        report = run_check(function, reference, inputs, rerun=self._rerun, **options)
        if not report.ok:
            pytest.fail(report.hinted(self._hint).to_text(), pytrace=False)
        self._item.add_report_section("call", "handgrad", report.to_text())  # for -rA
        return report

    def _rerun(self, sample: "CheckSample") -> str:
        """Return the command that runs one sample of this test."""
        text = str(sample) if self._calls == 1 else f"#{self._calls} {sample}"
        return f"pytest {shlex.quote(self._node)} --handgrad-sample {shlex.quote(text)}"


def _numbered(sample: str | None) -> tuple[int, str | None]:
    """Return the number of the check that a sample belongs to, and the sample without it.

    `#2 B=3 float64` is a sample of the second check in the test.
    """
    if sample is None or not sample.startswith("#"):
        return 1, sample
    number, _, rest = sample[1:].partition(" ")
    return (int(number) if number.isdecimal() else 0), rest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the fixture."""
    group = parser.getgroup("handgrad", "hand-written gradients")
    group.addoption(
        "--handgrad-hint",
        choices=LEVELS,
        help="how much a failed check reveals: where it fails, also what is wrong, also the fix "
        "(default: fix)",
    )
    group.addoption(
        "--handgrad-sample",
        metavar="SAMPLE",
        help="run one sample, copied from a failed handgrad.check_function",
    )


def defaults_of(config: pytest.Config) -> dict[str, Any]:
    """Return `[tool.handgrad]` of pyproject.toml. Raises UsageError, one line, if it is invalid."""
    path = config.rootpath / "pyproject.toml"
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("handgrad", {})
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"{path}: {error}") from error
    for key, value in table.items():
        if key not in DEFAULTS:
            known = ", ".join(DEFAULTS)
            raise pytest.UsageError(
                f"{path}: [tool.handgrad] has no option {key!r}; known: {known}"
            )
        if type(value) is not DEFAULTS[key]:
            wanted = DEFAULTS[key].__name__
            raise pytest.UsageError(f"{path}: [tool.handgrad] {key} must be of type {wanted}")
    if table.get("hint", "fix") not in LEVELS:
        raise pytest.UsageError(f"{path}: [tool.handgrad] hint: known: {', '.join(LEVELS)}")
    return dict(table)


@pytest.fixture
def handgrad(request: pytest.FixtureRequest) -> Handgrad:
    """Check backward passes: handgrad.check(...), handgrad.check_function(...)."""
    option, defaults = request.config.getoption, defaults_of(request.config)
    hint = defaults.pop("hint", "fix")
    return Handgrad(
        request.node, option("--handgrad-hint") or hint, option("--handgrad-sample"), defaults
    )
