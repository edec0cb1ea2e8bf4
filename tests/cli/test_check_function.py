"""`handgrad check-function` at the command line."""

import json
from pathlib import Path

import pytest

from handgrad.cli import main

HERE = Path(__file__).parents[1] / "checker" / "functions" / "gate"
NORM = ("--reference", "refs:rms_norm", "--inputs", "x=B C", "weight=C")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["check-function", *arguments])
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)


def test_a_right_candidate(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "honest:RMSNorm.apply", *NORM, "--sizes", "B=3,8", "C=5,16")
    assert (code, err) == (0, "")
    assert out.startswith("RMSNorm: correct in ")


def test_a_wrong_one_as_json_and_its_sample_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = run(capsys, "cheats:ZeroWeight.apply", *NORM, "--seed", "3", "--json", "-")
    assert (code, err) == (1, "")
    content = json.loads(out)
    assert (content["verdict"], content["ok"]) == ("wrong", False)
    (failure,) = content["failures"]
    assert failure["again"] == (
        "handgrad check-function cheats:ZeroWeight.apply --reference refs:rms_norm --inputs "
        "'x=B C' weight=C --seed 3 --sample 'B=3 C=5 float64 upstream=random'"
    )
    sample = ("--seed", "3", "--sample", failure["sample"])
    code, out, _ = run(capsys, "cheats:ZeroWeight.apply", *NORM, *sample)
    assert code == 1
    assert "Fails in the only sample." in out
    code, out, _ = run(capsys, "cheats:ZeroWeight.apply", *NORM, *sample, "--wrt", "x")
    assert code == 0


BAD = [
    (("honest:RMSNorm", "--reference", "refs:nothing", "--inputs", "x=B C"),
     "refs:nothing: refs has no nothing"),
    (("absent:f", *NORM), "absent:f: there is no module absent"),
    (("honest:RMSNorm", *NORM, "--allow", "all"), "--allow all: known: autograd, reference, cache"),
    (("honest:RMSNorm", *NORM, "--memory", "much"),
     "--memory much: write a size such as 512M or 8G"),
    (("honest:RMSNorm", *NORM, "--timeout", "0"), "--timeout 0: must be more than 0 seconds"),
    (("honest:RMSNorm", *NORM, "--sizes", "C=x"),
     "--sizes C=x: write LETTER=SIZE,SIZE such as C=64,128"),
    (("honest:RMSNorm", "--reference", "refs:rms_norm", "--inputs", "x=B C", "2=C"),
     '--inputs 2=C: write NAME=SHAPE, such as x="B C"'),
    (("honest:RMSNorm", *NORM, "--dtypes", "int8"),
     "dtypes: int8 is not one of float64, float32, bfloat16, float16"),
    (("honest:RMSNorm", "--reference", "refs:rms_norm"),
     "Missing option '--inputs': see handgrad check-function --help"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out, err) == (2, "", f"handgrad: {message}\n")
