"""Ways to plant a mistake in a right Function."""

import torch


def changed(right, backward):
    """Return the apply of a right Function with another backward."""
    return type(right.__name__, (right,), {"backward": staticmethod(backward)}).apply


def wrapped(right, change):
    """Return a right Function whose gradients `change` takes and returns as a tuple."""

    def backward(ctx, *upstream):
        gradients = right.backward(ctx, *upstream)
        return change(*(gradients if isinstance(gradients, tuple) else (gradients,)))

    return changed(right, backward)


def upstreamed(right, change):
    """Return a right Function whose upstream gradients are changed."""
    return changed(right, lambda ctx, *upstream: right.backward(ctx, *map(change, upstream)))


def forwarded(right, change, *positions):
    """Return a right Function in which the inputs at `positions` (or all) are changed."""

    def forward(ctx, *inputs):
        read = [change(v) if i in positions or not positions else v for i, v in enumerate(inputs)]
        return right.forward(ctx, *read)

    return type(right.__name__, (right,), {"forward": staticmethod(forward)}).apply


def blocks(value, size, dim=-1):
    """Return the value with its last block, if incomplete, set to 0."""
    value = value.clone()
    whole = value.shape[dim] // size * size
    value.narrow(dim, whole, value.shape[dim] - whole).zero_()
    return value


def padded(n):
    return 1 << max(n - 1, 0).bit_length()


def low_sum(value, dim=0):
    """Return a running sum in the dtype of the value."""
    total = torch.zeros_like(value.select(dim, 0)) if value.shape[dim] else value.sum(dim)
    for row in value.unbind(dim):
        total = total + row
    return total


def first(u):
    return u.flatten()[0].expand_as(u) if u.numel() else u


def mean(u):
    return u.mean().expand_as(u)
