"""A problem in KernelBench's form: Model, get_inputs, get_init_inputs."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, features, out):
        super().__init__()
        self.linear = nn.Linear(features, out)

    def forward(self, x):
        return self.linear(x).relu()


def get_inputs():
    return [torch.rand(8, 12)]


def get_init_inputs():
    return [12, 5]
