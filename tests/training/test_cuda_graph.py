"""The calls of a capture to torch.cuda, in order, on a replacement of torch.cuda."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from handgrad.training.backends.graphs import WARM_UP, cuda_graph


class PretendCuda:
    """Records the calls of `cuda_graph` to torch.cuda.

    As in torch, a graph whose capture fails leaves its stream current.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.current = "main"

    def CUDAGraph(self) -> SimpleNamespace:
        return SimpleNamespace(replay=lambda: self.calls.append("replay"))

    def Stream(self) -> SimpleNamespace:
        return self._named("side")

    def current_stream(self) -> SimpleNamespace:
        return self._named(self.current)

    def _named(self, name: str) -> SimpleNamespace:
        def wait_stream(other: SimpleNamespace) -> None:
            self.calls.append(f"{name} waits for {other.name}")

        def synchronize() -> None:
            self.calls.append(f"{name} is done")

        return SimpleNamespace(name=name, wait_stream=wait_stream, synchronize=synchronize)

    @contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        self.calls.append(f"on {device}")
        yield
        self.calls.append("off it")

    @contextmanager
    def stream(self, stream: SimpleNamespace) -> Iterator[None]:
        before, self.current = self.current, stream.name
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def graph(self, graph: object, stream: SimpleNamespace) -> Iterator[None]:
        self.current, self.calls = stream.name, [*self.calls, "capture"]
        yield
        self.calls.append("captured")


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> PretendCuda:
    pretended = PretendCuda()
    for name in ("CUDAGraph", "Stream", "current_stream", "device", "stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, getattr(pretended, name))
    return pretended


def test_a_graph_is_captured_on_the_stream_that_was_warmed_up(pretended: PretendCuda) -> None:
    def step() -> None:
        pretended.calls.append(f"step on {pretended.current}")

    cuda_graph(step, torch.device("cuda", 1))()
    warm_up = ["step on side"] * WARM_UP
    assert pretended.calls == [
        "on cuda:1",
        "side waits for main",
        *warm_up,
        "side is done",
        "capture",
        "step on side",
        "captured",
        "off it",
        "replay",
    ]


def test_a_failed_capture_restores_the_stream(pretended: PretendCuda) -> None:
    def step() -> None:
        if "capture" in pretended.calls:
            raise RuntimeError("not permitted when stream is capturing")

    with pytest.raises(RuntimeError, match=r"^not permitted when stream is capturing$"):
        cuda_graph(step, torch.device("cuda"))
    assert pretended.current == "main"


def test_a_failed_warm_up_is_synchronized_first(pretended: PretendCuda) -> None:
    def step() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match=r"^out of memory$"):
        cuda_graph(step, torch.device("cuda"))
    assert pretended.calls[-1] == "side is done"
    assert pretended.current == "main"
