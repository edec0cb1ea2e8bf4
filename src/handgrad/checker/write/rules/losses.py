"""Softmax and the losses."""

import torch

from handgrad.checker.write.closed_forms import closed_form
from handgrad.checker.write.rules.rule import Decide, Forms, NoRule, OpCall, Rule, each, whole

SOFTMAX = closed_form("softmax", p="out", d="d", dim="dim")
LOG_SOFTMAX = closed_form("log_softmax", out="out", d="d", dim="dim")


def _averaged(c: OpCall, slope: str) -> str:
    """Return `slope * d`, divided by the number of elements if the loss is a mean."""
    if c["reduction"] != "mean":
        return f"{slope} * d"
    n = torch.Size(c.shape()).numel()
    return f"{slope} * d / {c.number(n, 'input.numel()' if c.plain('input') else None)}"


def _elementwise(slope: str, target: str | None = None) -> Decide:
    """Return the rule of an elementwise loss. The target's gradient is `target`, or `-slope`."""

    def decide(c: OpCall) -> Forms:
        _require_plain(c)
        return {"input": _averaged(c, slope), "target": _averaged(c, target or f"-{slope}")}

    return decide


def _require_plain(c: OpCall) -> None:
    """Raise NoRule for weights, deprecated arguments, and operands that broadcast."""
    c.require(pos_weight=None, weight=None, size_average=None, reduce=None)
    if c.shape("input") != c.shape("target"):
        raise NoRule(f"{c.name} that broadcasts")


def _smooth_l1(c: OpCall) -> Forms:
    slope = "((input - target) / beta).clamp(-1, 1)" if c["beta"] else "torch.sign(input - target)"
    return _elementwise(slope)(c)


def _huber(c: OpCall) -> Forms:
    clamped = "(input - target).clamp(-delta, delta)"
    return _elementwise(clamped if c["delta"] else "torch.sign(input - target)")(c)


def _kl_div(c: OpCall) -> Forms:
    _require_plain(c)
    weight = "torch.exp(target)" if c["log_target"] else "target"
    if c["reduction"] == "batchmean":
        return {"input": f"-{weight} * d / {c.number(c.shape()[0], c.size_at(0))}"}
    return {"input": _averaged(c, f"-{weight}")}


def _targets(c: OpCall) -> tuple[str, str]:
    """Return text for the number of rows, and for the one-hot targets."""
    if (c["target"] == c["ignore_index"]).any():
        raise NoRule(f"{c.name} with an ignore_index that occurs in the targets")
    if len(c.shape()) not in (1, 2):
        raise NoRule(f"{c.name} of {len(c.shape())}-D input")
    rows = c.shape()[0] if len(c.shape()) == 2 else 1
    text = c.number(rows, c.size_at(0) if rows > 1 else None)
    return text, closed_form("one_hot", index="target", classes=c.size_at(len(c.shape()) - 1))


def _scale(c: OpCall, rows: str) -> str:
    if c["reduction"] == "none":
        return " * d.unsqueeze(-1)" if getattr(c.d, "shape", ()) else " * d"
    return f" * d / {rows}" if c["reduction"] == "mean" and len(c.shape()) == 2 else " * d"


def _cross_entropy(c: OpCall) -> Forms:
    c.require(weight=None, size_average=None, reduce=None)
    dim = len(c.shape()) - 1
    if c["target"].is_floating_point():
        if c.shape() != c.shape("target") or len(c.shape()) != 2 or c["label_smoothing"]:
            raise NoRule("cross_entropy of probabilities, smoothed or not 2-D")
        each_row = _scale(c, c.number(c.shape()[0], c.size_at(0)))
        total = "target.sum(1, keepdim=True)"
        return {
            "input": f"(torch.softmax(input, 1) * {total} - target){each_row}",
            "target": f"-torch.log_softmax(input, 1){each_row}",
        }
    rows, hot = _targets(c)
    if c["label_smoothing"]:
        wide = c.shape()[dim]
        hot = f"(1 - label_smoothing) * {hot}.to(input) - label_smoothing / {wide}"
    slope = closed_form("cross_entropy", logits="input", dim=dim, target=hot)
    return {"input": f"{slope}{_scale(c, rows)}"}


def _nll_loss(c: OpCall) -> Forms:
    c.require(weight=None, size_average=None, reduce=None)
    rows, hot = _targets(c)
    return {"input": f"-{hot}{_scale(c, rows)}"}


MEAN = "size_average=None, reduce=None, reduction='mean'"
PAIR = f"input, target, {MEAN}, weight=None"

RULES: dict[str, Rule] = {
    "softmax": whole("input, dim, dtype=None", input=SOFTMAX),
    "softmin": whole("input, dim, dtype=None", input=f"-{SOFTMAX}"),
    "log_softmax": whole("input, dim, dtype=None", input=LOG_SOFTMAX),
    "cross_entropy": each(
        "input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, "
        "reduction='mean', label_smoothing=0.0",
        _cross_entropy,
    ),
    "nll_loss": each(
        "input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, "
        "reduction='mean'",
        _nll_loss,
    ),
    "mse_loss": each(PAIR, _elementwise("2 * (input - target)")),
    "l1_loss": each(PAIR, _elementwise("torch.sign(input - target)")),
    "smooth_l1_loss": each(f"input, target, {MEAN}, beta=1.0", _smooth_l1),
    "huber_loss": each("input, target, reduction='mean', delta=1.0, weight=None", _huber),
    "binary_cross_entropy": each(
        f"input, target, weight=None, {MEAN}",
        _elementwise(
            "(input - target) / (input * (1 - input))", "(torch.log(1 - input) - torch.log(input))"
        ),
    ),
    "binary_cross_entropy_with_logits": each(
        f"input, target, weight=None, {MEAN}, pos_weight=None",
        _elementwise("(torch.sigmoid(input) - target)", "-input"),
    ),
    "kl_div": each(f"input, target, {MEAN}, log_target=False", _kl_div),
    "cosine_similarity": whole(
        "x1, x2, dim=1, eps=1e-8",
        {
            "$length1": "x1.norm(dim=dim, keepdim=True)",
            "$length2": "x2.norm(dim=dim, keepdim=True)",
            "$cosine": "out.unsqueeze(dim)",
            "x1": "(x2 / length2 - cosine * x1 / length1) / length1 * d.unsqueeze(dim)",
            "x2": "(x1 / length1 - cosine * x2 / length2) / length2 * d.unsqueeze(dim)",
        },
    ),
}
