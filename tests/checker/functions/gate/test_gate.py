"""The gate: one cheating kernel per trick is refused, its honest twin passes."""

import json
from pathlib import Path

import pytest

from handgrad.checker.functions.gate.gate import Question, judge
from handgrad.checker.functions.gate.zygote import Zygote
from handgrad.checker.functions.samples.sample import DTYPES
from handgrad.errors import CheckError

HERE = Path(__file__).parent
SOFTMAX = ("softmax", {"x": "B C"})
NORM = ("rms_norm", {"x": "B C", "weight": "C"})
RELU = ("relu", {"x": "B C"})
HONEST = {
    "Softmax": SOFTMAX, "RMSNorm": NORM, "around": NORM, "configured": SOFTMAX,
    "Workspace": NORM, "InSingle": NORM, "Blocks": SOFTMAX, "in_place": RELU,
}  # fmt: skip
WRONG_NUMBERS = {
    "Zeros": SOFTMAX, "Uniform": SOFTMAX, "by_shape": SOFTMAX, "by_address": SOFTMAX,
    "by_sum": SOFTMAX, "by_ends": SOFTMAX, "after_a_while": SOFTMAX, "after_warm_up": SOFTMAX,
    "every_other": SOFTMAX, "LeftOver": SOFTMAX, "InBfloat16": NORM, "BackwardInHalf": NORM,
    "KnownSizes": SOFTMAX, "NoWeight": NORM, "ZeroWeight": NORM, "Writes": SOFTMAX,
    "WritesUpstream": SOFTMAX, "patches": SOFTMAX,
}  # fmt: skip
TRICKS = {
    "by_content": ("cache", SOFTMAX), "SameMemory": ("cache", SOFTMAX),
    "CallsReference": ("reference", SOFTMAX), "CallsReferenceFromFile": ("reference", SOFTMAX),
    "Copy": ("reference", NORM), "AutogradInside": ("autograd", SOFTMAX),
    "Engine": ("autograd", SOFTMAX), "no_function": ("autograd", SOFTMAX),
    "half_by_hand": ("autograd", NORM), "Blind": ("tampering", SOFTMAX),
    "peeks": ("peeking", SOFTMAX),
}  # fmt: skip
LOST = {
    "exits": "forward ends its process: exit status 0",
    "leaves": "raises SystemExit: 0",
    "crashes": "forward ends its process: killed by SIGSEGV",
    "hangs": "forward does not return within 2 s (--call-timeout)",
    "hoards": "raises MemoryError",
    "forges": "its answer is not one that the check asked for",
}
UNDECIDED = """\
- The problem is ill-conditioned in float64: rounding alone changes the output by as much as it is
  large. Neither the reference nor the candidate can be judged there.

- The problem is ill-conditioned in float32: rounding alone changes the output by as much as it is
  large. Neither the reference nor the candidate can be judged there.

Nothing: undecided; the output cannot be judged in any dtype. Give inputs for which the problem is
better conditioned."""
IN_PART = """\
- The problem is ill-conditioned in float32: rounding alone changes the output and gradient of x by
  as much as they are large. Neither the reference nor the candidate can be judged there.

Slower: correct in """


@pytest.fixture(scope="module")
def zygote():
    one = Zygote()
    yield one
    one.close()


def gate(zygote, name, what, file="cheats", seed=7, **options):
    reference, inputs = what
    options.setdefault("dtypes", DTYPES if name == "InSingle" else ("float64", "float32"))
    question = Question(
        f"{HERE}/{file}.py:{name}", f"{HERE}/refs.py:{reference}", inputs, seed,
        call_timeout=2.0 if name == "hangs" else 60.0, memory=2 * 2**30, **options,
    )  # fmt: skip
    return judge(question, lambda sample: f"again {sample}", zygote)


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_kernel_passes(zygote, name):
    result = gate(zygote, name, HONEST[name], "honest")
    assert result.verdict == "right", result.to_text()
    assert not result.tricks
    assert result.covered.random_samples > 20 or name == "Blocks"
    assert result.covered.processes == 3


@pytest.mark.parametrize("name", WRONG_NUMBERS)
def test_a_kernel_that_cheats_with_its_numbers_is_wrong(zygote, name):
    result = gate(zygote, name, WRONG_NUMBERS[name])
    assert result.verdict == "wrong", result.to_text()
    assert result.report.failures


@pytest.mark.parametrize("name", TRICKS)
def test_a_kernel_that_does_not_compute_is_refused_and_may_be_allowed(zygote, name):
    kind, what = TRICKS[name]
    result = gate(zygote, name, what)
    assert result.verdict == "wrong", result.to_text()
    assert kind in [trick.kind for trick in result.tricks], result.to_text()
    assert not result.report.failures, result.to_text()


@pytest.mark.parametrize("name", LOST)
def test_a_lost_kernel_costs_one_line(zygote, name):
    result = gate(zygote, name, SOFTMAX, "lost")
    assert result.verdict == "wrong"
    (failure,) = result.report.failures
    assert LOST[name] in failure.error, result.to_text()


def test_what_is_asked_for_is_allowed(zygote):
    result = gate(zygote, "no_function", SOFTMAX, allowed=("autograd",))
    assert result.verdict == "right"
    assert result.to_json()["tricks"] == [
        {
            "kind": "autograd",
            "message": "A gradient is computed by autograd, not by the candidate: DivBackward0 in "
            "the graph of its forward.",
            "fix": "Write the gradient in backward of a torch.autograd.Function.",
            "allowed": True,
        }
    ]


def test_a_forward_alone(zygote):
    right = gate(zygote, "forward_alone", SOFTMAX, "honest", forward_only=True)
    assert right.verdict == "right", right.to_text()
    assert (right.covered.gradients, right.covered.upstreams) == ((), ())
    wrong = gate(zygote, "Zeros", SOFTMAX, forward_only=True)
    assert [f.quantities for f in wrong.report.failures] == [("output",)]


def test_a_crash_in_some_samples_names_them(zygote):
    result = gate(zygote, "crashes_on_empty", SOFTMAX, "lost")
    (failure,) = result.report.failures
    assert failure.error == "forward ends its process: killed by SIGABRT"
    assert "all those with an empty input" in failure.failed or "=0" in failure.failed


def test_what_a_lost_kernel_printed_is_shown(zygote):
    text = gate(zygote, "crashes", SOFTMAX, "lost").to_text()
    assert "It printed:\n" in text
    assert "    about to read address 0\n" in text


def test_a_problem_that_nobody_can_judge_is_undecided(zygote):
    result = gate(zygote, "Nothing", ("fast", {"x": "B C"}), forward_only=True)
    assert (result.verdict, result.exit_code) == ("undecided", 2)
    assert result.to_text() == UNDECIDED
    assert gate(zygote, "Nothing", ("slower", {"x": "B C"})).verdict == "wrong"
    twin = gate(zygote, "Slower", ("slower", {"x": "B C"}), "honest")
    assert twin.to_text().startswith(IN_PART)


def test_a_changed_reference_is_noticed(zygote, tmp_path):
    reference = tmp_path / "own_reference.py"
    reference.write_text("def double(x):\n    return x * 2\n")
    (tmp_path / "rewriting.py").write_text(
        "import torch\n"
        f"open({str(reference)!r}, 'a').write('# changed')\n"
        "class Double(torch.autograd.Function):\n"
        "    @staticmethod\n"
        "    def forward(ctx, x):\n"
        "        return x + x\n"
        "    @staticmethod\n"
        "    def backward(ctx, dout):\n"
        "        return dout + dout\n"
    )
    question = Question(
        f"{tmp_path}/rewriting.py:Double", f"{reference}:double", {"x": "B"}, seed=1
    )
    result = judge(question, str, zygote)
    assert [trick.kind for trick in result.tricks] == ["files"]


def test_second_gradients_and_inputs_from_a_function(zygote):
    result = gate(
        zygote, "RMSNorm", ("rms_norm", f"{HERE}/refs.py:make"), "honest", double_backward=True
    )
    assert ("second gradient of x",) in [f.quantities for f in result.report.failures]
    assert result.report.failures[0].code == "HG176"


def test_a_problem_in_kernelbenchs_form(zygote):
    def asked(name, **options):
        question = Question(
            f"{HERE}/answer.py:{name}", f"{HERE}/problem.py:Model", f"{HERE}/problem.py:get_inputs",
            seed=1, dtypes=("float32",), **options,
        )  # fmt: skip
        return judge(question, str, zygote)

    assert asked("ModelNew", forward_only=True).verdict == "right"
    assert asked("WithoutBias", forward_only=True).verdict == "wrong"
    trained = asked("ModelNew", allowed=("autograd",))
    assert trained.verdict == "right", trained.to_text()
    assert trained.covered.gradients == ("x", "linear.weight", "linear.bias")


def test_causes_are_found_as_in_the_same_process(zygote):
    failures = gate(zygote, "NoWeight", NORM).report.failures
    assert [(f.code, f.quantities) for f in failures] == [("HG159", ("gradient of weight",))]


def test_the_json_is_stable(zygote):
    content = gate(zygote, "Zeros", SOFTMAX, dtypes=("float32",)).to_json()
    json.dumps(content)
    assert list(content) == [
        "version", "function", "reference", "verdict", "ok", "seed", "failures", "tricks",
        "ill_conditioned", "covered", "notes", "text", "seconds",
    ]  # fmt: skip
    assert list(content["covered"]) == [
        "samples", "random_samples", "refused", "dtypes", "sizes", "layouts", "upstreams",
        "gradients", "calls", "processes",
    ]  # fmt: skip
    assert content["failures"][0]["again"].startswith("again B=")


BROKEN = {
    "raise ValueError('no GPU')": "raises ValueError: no GPU (broken.py:1)",
    "def f(:": "raises SyntaxError: invalid syntax (broken.py, line 1)",
    "import os; os._exit(3)": "import ends its process: exit status 3",
    "import nothing_of_this_name": "raises ModuleNotFoundError: No module named "
    "'nothing_of_this_name' (broken.py:1)",
}


@pytest.mark.parametrize("source", BROKEN)
def test_a_candidate_that_does_not_load_is_wrong(zygote, tmp_path, source):
    (tmp_path / "broken.py").write_text(source)
    question = Question(f"{tmp_path}/broken.py:f", f"{HERE}/refs.py:softmax", {"x": "B C"}, seed=1)
    result = judge(question, str, zygote)
    assert result.verdict == "wrong"
    assert BROKEN[source] in result.report.failures[0].error


BAD = [
    ("cheats.py:nothing", "refs.py:softmax", "has no nothing"),
    ("absent.py:f", "refs.py:softmax", "there is no file"),
    ("cheats.py:Zeros", "cheats.py:right", "put the reference in a file of its own"),
    ("cheats.py:Zeros", "refs.py", "write MODULE:NAME, such as kernels:RMSNorm.apply"),
    ("cheats.py:HERE", "refs.py:softmax", "which cannot be called"),
]


@pytest.mark.parametrize(("candidate", "reference", "message"), BAD)
def test_a_question_that_is_off_is_one_line(zygote, candidate, reference, message):
    question = Question(f"{HERE}/{candidate}", f"{HERE}/{reference}", {"x": "B C"}, seed=1)
    with pytest.raises(CheckError, match=message) as caught:
        judge(question, str, zygote)
    assert "\n" not in str(caught.value)
