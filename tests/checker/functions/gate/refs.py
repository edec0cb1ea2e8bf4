"""References of the gate's tests."""

import torch


def softmax(x):
    return x.softmax(-1)


def rms_norm(x, weight):
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weight


def fast(x):
    return ((x + 0.1) * 1e18).sin()


def slower(x):
    return (x * 1e7).sin()


def make(B, C):
    return {"x": torch.randn(B, 2 * C), "weight": torch.rand(2 * C)}


def relu(x):
    return x.relu()
