"""Answers to problem.py: a right one, and one that leaves out the bias."""

import torch
from torch import nn


class ModelNew(nn.Module):
    def __init__(self, features, out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, features))
        self.bias = nn.Parameter(torch.randn(out))

    def forward(self, x):
        return (x @ self.weight.T + self.bias).clamp(min=0)


class WithoutBias(ModelNew):
    def forward(self, x):
        return (x @ self.weight.T + 0 * self.bias).clamp(min=0)
