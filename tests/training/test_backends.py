"""What a run works on: details that no other test covers."""

from pathlib import Path

import torch

from handgrad.training.backends import backend_of
from tiny import begun, words_dataset


def test_the_number_of_torch_threads_is_restored(tmp_path: Path) -> None:
    dataset = words_dataset(tmp_path)
    run, _ = begun(dataset)
    before = torch.get_num_threads()
    with backend_of(run.settings.engine).threads(before + 1, run):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
