"""The pytest plugin, in separate pytest runs, loaded by `-p`, by the entry point, or by both."""

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

import handgrad

pytest_plugins = ["pytester"]

SRC = str(Path(handgrad.__file__).parents[1])
PLUGIN = ("-p", "handgrad.pytest_plugin")
EXP = """
import torch

class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dout):
        (y,) = ctx.saved_tensors
        return {}

def test_exp(handgrad):
    handgrad.check_function(Exp.apply, torch.exp, {{"x": "B C"}}, sizes={{"B": (3,), "C": (5, 64)}})
"""
RIGHT, WRONG = EXP.format("y * dout"), EXP.format("y")
STEPS = """
import torch

def forward(x, W):
    a = x @ W
    h = torch.tanh(a)
    return h, x, W, h

def backward(dout, x, W, h):
    da = (1 - h) * dout
    return da @ W.T, x.T @ da

def test_steps(handgrad):
    torch.manual_seed(0)
    handgrad.check(forward, backward, (torch.randn(32, 10), torch.randn(10, 20)))
"""
SAYS = """\
✗ gradient of x
    x f64[3,5]
    Off by up to 7.86 at [0, 0]: got 3.859, expected -3.996; every element; over a million times
    what rounding explains.
    The upstream gradient is ignored: this is the gradient of .sum() for any dout. [HG151]
    try: Multiply by the argument of backward: local * dout.
    Fails in # samples: all those whose upstream gradient is not ones.
    rerun: pytest test_says.py::test_exp --handgrad-sample 'B=3 C=5 float64 upstream=random'

Exp: 1 failure in # samples (float64, float32, bfloat16, float16; B 3, C 5-64)."""


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    """Load what a check imports late: pytester unloads new modules, and torch cannot load twice."""
    space: dict[str, object] = {}
    exec(WRONG, space)
    assert not handgrad.check_function(space["Exp"], torch.exp, {"x": "B"}, sizes={"B": (3,)}).ok  # type: ignore[arg-type]
    handgrad.check(forward, backward, (torch.randn(2, 2), torch.randn(2, 2))).to_text()


def forward(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    out = x * y
    return out, x, y


def backward(dout: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return dout * y, dout * x


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*PLUGIN, "-p", "no:cacheprovider", *args)


def failure(result: pytest.RunResult) -> str:
    """Return what pytest printed for the only failure."""
    text = result.stdout.str()
    text = re.split(r"^=+ short test|^_+ .*_+$", text, flags=re.MULTILINE)[1].strip()
    return re.sub(r"\d+(?: of \d+)? samples", "# samples", text)


def test_a_right_function_passes_and_prints_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(RIGHT)
    result = run(pytester, "-q", "-s")
    result.assert_outcomes(passed=1)
    assert "handgrad" not in result.stdout.str()
    assert result.stderr.str() == ""


def test_a_wrong_function_fails_with_the_report_and_no_traceback(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_says=WRONG)
    result = run(pytester)
    result.assert_outcomes(failed=1)
    assert failure(result) == SAYS


@pytest.mark.parametrize(("hint", "hidden"), [("what", slice(5, 6)), ("where", slice(4, 6))])
def test_a_hint_level_hides_cause_and_fix(
    pytester: pytest.Pytester, hint: str, hidden: slice
) -> None:
    pytester.makepyfile(test_says=WRONG)
    lines = SAYS.split("\n")
    del lines[hidden]
    assert failure(run(pytester, f"--handgrad-hint={hint}")).split("\n") == lines


def test_a_passing_check_says_with_ra_what_it_covered(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(RIGHT)
    text = run(pytester, "-rA").stdout.str()
    assert "Captured handgrad call" in text
    assert "Exp: correct in " in text


def test_pyproject_holds_defaults_that_a_call_and_the_command_line_override(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyprojecttoml(
        """
        [tool.handgrad]
        dtypes = ["float32"]
        hint = "where"
        """
    )
    pytester.makepyfile(test_says=WRONG)
    text = run(pytester).stdout.str()
    assert "(float32; " in text
    assert "[HG151]" not in text
    assert "[HG151]" in run(pytester, "--handgrad-hint=what").stdout.str()
    pytester.makepyfile(test_says=WRONG.replace("sizes=", 'dtypes=["float64"], sizes='))
    assert "(float64; " in run(pytester).stdout.str()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("dtype = 3", "[tool.handgrad] has no option 'dtype'; known: hint, dtypes, "
         "double_backward, seed"),
        ("seed = 'x'", "[tool.handgrad] seed must be of type int"),
        ("hint = 'all'", "[tool.handgrad] hint: known: where, what, fix"),
    ],
)  # fmt: skip
def test_a_default_that_is_invalid_is_an_error(
    pytester: pytest.Pytester, line: str, message: str
) -> None:
    pytester.makepyprojecttoml(f"[tool.handgrad]\n{line}\n")
    pytester.makepyfile(RIGHT)
    assert message in run(pytester).stdout.str()


def test_the_rerun_command_runs_the_sample(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_says=WRONG)
    line = re.search(r"rerun: pytest (.*)", run(pytester).stdout.str())
    assert line is not None
    again = run(pytester, *shlex.split(line[1]))
    again.assert_outcomes(failed=1)
    assert "Fails in the only sample." in again.stdout.str()
    assert "1 failure in 1 sample (float64; B 3, C 5)." in again.stdout.str()
    pytester.makepyfile(test_says=RIGHT)
    run(pytester, *shlex.split(line[1])).assert_outcomes(passed=1)


def test_the_second_check_of_a_test_reruns_by_its_number(pytester: pytest.Pytester) -> None:
    right = RIGHT.replace("Exp", "Right").replace("def test_exp", "def no_test")
    right = right.replace("B C", "N").replace('"B": (3,), "C": (5, 64)', '"N": (3,)')
    second = WRONG.replace("    handgrad", "    no_test(handgrad)\n    handgrad")
    pytester.makepyfile(test_two=right + second)
    again = (
        "rerun: pytest test_two.py::test_exp --handgrad-sample '#2 B=3 C=5 float64 upstream=random'"
    )
    assert again in run(pytester).stdout.str()
    result = run(pytester, "--handgrad-sample", "#2 B=3 C=5 float64 upstream=random")
    result.assert_outcomes(failed=1)
    assert "1 failure in 1 sample (float64; B 3, C 5)." in result.stdout.str()


def test_two_functions_are_checked_line_by_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(STEPS)
    result = run(pytester)
    result.assert_outcomes(failed=1)
    text = failure(result)
    assert text.startswith("forward, backward\n\nLines to blame\n  ✗ da   line 9   f32[32,20]\n")
    assert "da = (1 - h) * dout" in text
    pytester.makepyfile(STEPS.replace("1 - h)", "1 - h * h)"))
    run(pytester).assert_outcomes(passed=1)


def test_a_hint_level_applies_to_two_functions_too(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(STEPS)
    lines = failure(run(pytester, "--handgrad-hint=where")).split("\n")
    assert lines[2:5] == [
        "Lines to blame",
        "  ✗ da   line 9   f32[32,20]",
        "      da = (1 - h) * dout",
    ]
    assert not any(line.strip().startswith("try:") for line in lines)


def test_a_check_that_cannot_run_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(RIGHT)
    result = run(pytester, "--handgrad-sample", "B=3")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *CheckError: sample 'B=3': no size for C; copy it from a failure, for example "
         "'B=3 C=65 float32 upstream=random'"]
    )  # fmt: skip


def test_an_unknown_hint_level_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--handgrad-hint=all")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*argument --handgrad-hint: invalid choice: 'all'*"])


def outside(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run pytest in a separate process that has the entry point."""
    info = pytester.path / "site" / "handgrad_entry-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: handgrad-entry\nVersion: 1\n")
    name = "handgrad.pytest_plugin"
    (info / "entry_points.txt").write_text(f"[pytest11]\n{name} = {name}\n")
    pytester._monkeypatch.setenv("PYTHONPATH", os.pathsep.join([SRC, str(info.parent)]))
    others = ("cacheprovider", "faker", "hypothesispytest")  # these plugins are slow to load
    disabled = [word for name in others for word in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", *disabled, *args]
    return pytester.run(*command)


def test_the_entry_point_and_p_load_one_plugin_and_no_torch(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("handgrad.pytest_plugin")
            assert not {"torch", "numpy", "handgrad.checker"} & set(sys.modules)
        """
    )
    result = outside(pytester, *PLUGIN, "-W", "error")
    result.assert_outcomes(passed=1)
    assert result.stderr.str() == ""


def test_it_works_in_xdist_workers(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_says=WRONG, test_right=RIGHT)
    result = outside(pytester, *PLUGIN, "-n", "1", "-W", "error")
    result.assert_outcomes(passed=1, failed=1)
    assert failure(result).endswith(SAYS.split("\n", 1)[1])
