"""What a run works on, where nothing else would notice."""

from pathlib import Path

import torch

from handgrad.train.folder import Run
from handgrad.train.runtime import runtime_of
from handgrad.train.settings import TrainSettings
from tiny import model_for, words_dataset


def test_threads_of_torch_are_given_back(tmp_path: Path) -> None:
    dataset = words_dataset(tmp_path)
    settings = TrainSettings(engine="fused").resolved()
    run = Run(Path(), model_for(dataset), dataset.vocabulary, settings, "", "")
    before = torch.get_num_threads()
    with runtime_of(settings.engine).threads(before + 1, run):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
