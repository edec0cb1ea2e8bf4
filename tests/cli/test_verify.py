"""`handgrad verify` at the command line."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from handgrad.cli import main
from handgrad.layers import tanh


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["verify", *arguments])
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


def test_every_gradient_is_correct_as_a_table_and_as_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = run(capsys, "--dtype", "float32", "--json", str(tmp_path / "rows.json"))
    found = json.loads((tmp_path / "rows.json").read_text())
    assert code == 0
    assert "softmax_cross_entropy" in out
    assert out.splitlines()[-1] == f"All {len(found['rows'])} gradients are correct."
    assert found["ok"] is True
    assert set(found["rows"][0]) >= {"model", "engine", "node", "verdict", "ratio"}
    lecture = [
        row
        for row in found["rows"]
        if (row["model"], row["case"], row["engine"]) == ("mlp", "lecture", "chunked")
    ]
    assert len(lecture) == 26


def test_a_wrong_line_is_named_and_the_exit_code_is_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward_value_for_gradient(dout: Tensor, cache: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"hpreact": torch.addcmul(cache["h"], dout, dout)}

    right = tanh.backward_chunked
    monkeypatch.setattr(tanh, "backward_chunked", forward_value_for_gradient)
    monkeypatch.setattr("handgrad.verify.lines.line_of", lambda layer, node: f"{layer}.py: d{node}")
    code, out, _ = run(capsys, "--dtype", "float32")
    assert code == 1
    assert "tanh: lecture, float32, chunked: hpreact  (tanh.py: dhpreact)" in out
    assert out.splitlines()[-1].endswith(" gradients are wrong.")
    monkeypatch.setattr(tanh, "backward_chunked", right)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dtype", "int8"), "--dtype must be float32, float64 or both, got 'int8'"),
        (("--device", "tpu"), "unknown device 'tpu'; known: cpu, cuda, cuda:N"),
        pytest.param(
            ("--device", "cuda"),
            "--device cuda: this machine has no CUDA device; use --device cpu",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here"),
        ),
    ],
)
def test_bad_arguments(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out, err) == (2, "", f"handgrad: {message}\n")
