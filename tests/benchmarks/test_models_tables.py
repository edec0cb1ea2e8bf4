"""The tables of benchmarks.models: their lines, and what their children measure."""

import argparse
import json
from typing import Any

import pytest
from benchmarks.models import agreement, beside, beside_table, sampling
from benchmarks.models.work import Work, prepare
from benchmarks.peers.work import Absent

from handgrad.models import MODELS


def test_a_row_quotes_medians_and_the_ratio_to_the_faster_peer() -> None:
    row = beside_table.Row("gru", 32, ("n_embd=128",))
    taken: dict[str, list[float] | str] = {
        "handgrad": [1000.0, 900.0, 1100.0],
        "torch.compile": [2000.0, 1000.0, 2000.0],
        "JAX": [9000.0, 9000.0, 9000.0],
    }
    line = beside_table.line(row, taken)
    assert line == "| gru | 32 | n_embd=128 | 2.000 | 9.000 | 1.000 | 0.55 | 1.05 |"


def test_a_peer_that_is_absent_is_named_under_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    why = "JAX is not installed"
    taken = {"handgrad": [1000.0], "torch.compile": [2000.0], "JAX": why}
    monkeypatch.setattr(beside_table, "run_child", lambda _: json.dumps(taken))
    monkeypatch.setattr(beside_table, "ROWS", (beside_table.Row("bow", 32),))
    lines = list(beside_table.table(argparse.Namespace(data="names", rounds=1)))
    assert lines[-3:] == [
        "| bow | 32 |  | 2.000 | - | 1.000 | 0.50 | 1.0 |",
        "",
        "Left out: JAX: JAX is not installed.",
    ]


def test_ahead_below_128_channels_and_level_from_there_on() -> None:
    for row in beside_table.ROWS:
        assert row.aim == (1.05 if "n_embd=128" in row.sizes else 1.0)
        assert {one.split("=")[0] for one in row.sizes} <= {*MODELS[row.name].__dataclass_fields__}


def test_a_peer_that_trains_on_another_batch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def constant(loss: float) -> Any:
        return lambda _: lambda first, steps: loss

    work = prepare("names", "bigram", 2, {})
    monkeypatch.setattr(beside, "SECONDS", 0.0)
    monkeypatch.setattr(beside, "PEERS", {"handgrad": constant(2.0), "JAX": constant(2.1)})
    with pytest.raises(RuntimeError, match=r"^JAX: loss 2\.10000, ours 2\.00000$"):
        beside.measure(work, 1)


def test_a_turn_is_timed_for_every_peer_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: Work) -> Any:
        raise Absent("no compiler")

    monkeypatch.setattr(beside, "SECONDS", 0.0)
    peers = {"handgrad": lambda _: lambda first, steps: 2.0, "JAX": absent}
    monkeypatch.setattr(beside, "PEERS", peers)
    taken = beside.measure(prepare("names", "bigram", 2, {}), 2)
    assert taken["JAX"] == "no compiler"
    assert len(taken["handgrad"]) == 2


def test_our_peer_trains_on_the_batches_of_the_others() -> None:
    work = prepare("names", "bigram", 4, {})
    loss = beside.ours(work)(0, 2)
    assert 3.2 < loss < 3.4  # ln 27, and a step of AdamW


def test_compiled_and_fused_engines_agree_in_float64() -> None:
    off = agreement.largest_difference("names", "bigram", "sgd", {}, 30)
    assert off < agreement.AIM


def test_a_loss_that_does_not_fall_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(agreement.LR, "sgd", -1.0)
    with pytest.raises(RuntimeError, match=r"^bigram, sgd: loss 3\.296, then "):
        agreement.largest_difference("names", "bigram", "sgd", {}, 20)


def test_words_are_sampled_from_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "WORDS", 8)
    speed, length = sampling.measured("names", "bigram", 2)
    assert speed > 0
    assert 0 < length <= 16
