"""How a mistake is put into a right Function."""

import torch


def changed(right, backward):
    """A right Function with another backward, which takes ctx."""
    return type(right.__name__, (right,), {"backward": staticmethod(backward)}).apply


def wrapped(right, change):
    """A right Function whose gradients are changed: `change` takes and returns them as a tuple."""

    def backward(ctx, *upstream):
        gradients = right.backward(ctx, *upstream)
        return change(*(gradients if isinstance(gradients, tuple) else (gradients,)))

    return changed(right, backward)


def upstreamed(right, change):
    """A right Function that gets its upstream gradient changed."""
    return changed(right, lambda ctx, *upstream: right.backward(ctx, *map(change, upstream)))


def forwarded(right, change, *positions):
    """A right Function that reads some of its inputs changed."""

    def forward(ctx, *inputs):
        read = [change(v) if i in positions or not positions else v for i, v in enumerate(inputs)]
        return right.forward(ctx, *read)

    return type(right.__name__, (right,), {"forward": staticmethod(forward)}).apply


def blocks(value, size, dim=-1):
    """The value with its last block, where it is not whole, set to 0."""
    value = value.clone()
    whole = value.shape[dim] // size * size
    value.narrow(dim, whole, value.shape[dim] - whole).zero_()
    return value


def padded(n):
    return 1 << max(n - 1, 0).bit_length()


def low_sum(value, dim=0):
    """A running sum in the value's own dtype."""
    total = torch.zeros_like(value.select(dim, 0)) if value.shape[dim] else value.sum(dim)
    for row in value.unbind(dim):
        total = total + row
    return total


def first(u):
    return u.flatten()[0].expand_as(u) if u.numel() else u


def mean(u):
    return u.mean().expand_as(u)
