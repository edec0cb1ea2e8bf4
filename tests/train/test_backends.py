"""What a run works on, where nothing else would notice."""

from pathlib import Path

import torch

from handgrad.train.backends import backend_of
from tiny import begun, words_dataset


def test_threads_of_torch_are_given_back(tmp_path: Path) -> None:
    dataset = words_dataset(tmp_path)
    run, _ = begun(dataset)
    before = torch.get_num_threads()
    with backend_of(run.settings.engine).threads(before + 1, run):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
