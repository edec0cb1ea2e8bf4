"""Elements and their gradients, operands of the wrong sign: mistakes and near misses."""

import torch
import torch.nn.functional as F

from checker.functions.wrong.operations import case

ROWS = {"logits": "N V", "targets": "N < V or -100"}
MASKED = {"x": "B T C", "kept": "bool B T"}
FEW = {"sizes": {"N": (5, 1), "V": (7, 1)}, "dtypes": ("float64",)}
SMALL = {"sizes": {"B": (3, 1), "T": (5, 1), "C": (2, 1)}, "dtypes": ("float64",)}
ROTARY = {"x": "T 2*D", "cos": "T D", "sin": "T D"}
ANGLES = {"x": "T 2*D", "angles": "T D"}
TURNED = {"sizes": {"T": (5, 1), "D": (3, 1)}, "dtypes": ("float64",), "wrt": ("x",)}


def softmax(x):
    exps = (x - x.amax(-1, keepdim=True)).exp()
    return exps / exps.sum(-1, keepdim=True)


def soft(x):
    return torch.softmax(x, -1)


def softened(x):
    return (2 * x).softmax(-1).square()


def softened_diagonal(dout, x):
    y = (2 * x).softmax(-1)
    return dout * 2 * y * y * (1 - y) * 2


def scan(x):
    return x.cumsum(-1)


def softmax_right(dout, x):
    y = softmax(x)
    return y * (dout - (dout * y).sum(-1, keepdim=True))


def loss(logits, targets):
    return F.cross_entropy(logits, targets, ignore_index=-100)


def loss_unmasked(dout, logits, targets, right=False):
    kept = targets != -100
    onehot = F.one_hot(targets * kept, logits.shape[-1])
    dlogits = (logits.softmax(-1) - onehot) * dout / kept.sum()
    return (dlogits * kept[:, None] if right else dlogits), None


def loss_right(dout, logits, targets):
    return loss_unmasked(dout, logits, targets, right=True)


def pooled(x, kept):
    return (x.sin() * kept[..., None]).sum(1)


def filled(x, kept):
    return x.exp().masked_fill(kept[..., None], 0.5)


def rotated(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def turned(x, angles):
    return rotated(x, torch.cos(angles), torch.sin(angles))


def positions(x, angles):
    at = torch.arange(x.shape[0])[:, None] * angles
    cos, sin = at.cos(), at.sin()
    return rotated(x, cos, sin) + torch.cat([sin, sin], -1) ** 2


def positions_same(dout, x, angles):
    at = torch.arange(x.shape[0])[:, None] * angles
    return rotated(dout, at.cos(), at.sin()), None


def halved(dout, x, cos, sin):
    return rotated(dout, cos, -0.5 * sin), None, None


VARIED = ("sizes",)

SAYS = {
    "HG194": (
        "gradient of x",
        "Only the diagonal of the Jacobian of `torch.softmax(x, -1)` is used; each of its elements "
        "depends on the whole row.",
        "Its gradient is y * (dout - (dout * y).sum(dim, keepdim=True)) for an output y.",
    ),
    "HG195": (
        "gradient of logits",
        "Wrong only where targets is -100: there the gradient must be 0.",
        "Apply the mask of forward in backward too: multiply by it, or masked_fill with 0.",
    ),
    "HG196": (
        "gradient of x",
        "This is the gradient of the reference with -sin in place of sin.",
        "Change the sign of the terms with sin in backward; a rotation is undone by the opposite "
        "rotation.",
    ),
}

MATCH = {
    "HG194": [
        case(soft, lambda dout, x: softmax(x) * (1 - softmax(x)) * dout),
        case(softmax, lambda dout, x: softmax(x) * (1 - softmax(x)) * dout),
        case(softened, softened_diagonal),
    ],
    "HG195": [
        case(loss, loss_unmasked, ROWS, FEW),
        case(pooled, lambda dout, x, kept: (dout[:, None] * x.cos(), None), MASKED, SMALL),
        case(filled, lambda dout, x, kept: (dout * x.exp(), None), MASKED, SMALL),
    ],
    "HG196": [
        case(rotated, lambda dout, x, c, s: (rotated(dout, c, s), None, None), ROTARY, TURNED),
        case(turned, lambda dout, x, t: (turned(dout, t), None), ANGLES, TURNED),
        case(positions, positions_same, ANGLES, TURNED),
    ],
}

NEAR = {
    "HG194": [
        case(soft, softmax_right),
        case(softmax, lambda dout, x: softmax(x) * (1 + softmax(x)) * dout),
        case(scan, lambda dout, x: dout.cumsum(-1)),
    ],
    "HG195": [
        case(loss, loss_right, ROWS, FEW),
        case(loss, lambda dout, x, t: (2 * loss_unmasked(dout, x, t)[0], None), ROWS, FEW),
    ],
    "HG196": [
        case(rotated, lambda dout, x, c, s: (rotated(dout, c, -s), None, None), ROTARY, TURNED),
        case(rotated, halved, ROTARY, TURNED),
    ],
}
