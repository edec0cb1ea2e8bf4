"""Activation functions."""

from handgrad.checker.write.rules.rule import Forms, OpCall, Rule, each, whole

SIGMOID = "torch.sigmoid(input)"
SELU_SCALE, SELU_ALPHA = "1.0507009873554805", "1.7580993408473766"


def _gelu(c: OpCall) -> Forms:
    if c["approximate"] == "tanh":
        return {
            "$inner": "torch.tanh((2 / torch.pi) ** 0.5 * (input + 0.044715 * input**3))",
            "input": (
                "0.5 * (1 + inner + input * (1 - inner**2) * (2 / torch.pi) ** 0.5"
                " * (1 + 0.134145 * input**2)) * d"
            ),
        }
    return {
        "input": (
            "(0.5 * (1 + torch.erf(input / 2**0.5))"
            " + input * torch.exp(-(input**2) / 2) / (2 * torch.pi) ** 0.5) * d"
        )
    }


def _softplus(c: OpCall) -> Forms:
    inner = "input" if c["beta"] == 1 else "beta * input"
    slope = f"torch.sigmoid({inner})"
    if (c["input"] * c["beta"] > c["threshold"]).any():
        slope = f"torch.where({inner} > threshold, 1, {slope})"
    return {"input": f"{slope} * d"}


def _prelu(c: OpCall) -> Forms:
    wide = [1] * c.out.dim()
    if c.out.dim() > 1:
        wide[1] = -1
    weight = f"weight.view({', '.join(map(str, wide))})" if c["weight"].numel() > 1 else "weight"
    rest = [i for i in range(c.out.dim()) if c["weight"].numel() == 1 or i != 1]
    summed = f".sum({tuple(rest)})" if len(rest) > 1 else f".sum({rest[0]})" if rest else ""
    reshape = "" if c["weight"].numel() > 1 and rest else ".view(1)"
    return {
        "input": f"torch.where(input > 0, d, {weight} * d)",
        "weight": f"torch.where(input > 0, 0, input * d){summed}{reshape}",
    }


RULES: dict[str, Rule] = {
    "sigmoid": each("input", input="out * (1 - out) * d"),
    "relu": each("input", input="(out > 0) * d"),
    "hardtanh": each(
        "input, min_val=-1.0, max_val=1.0", input="((input > min_val) & (input < max_val)) * d"
    ),
    "relu6": each("input", input="((input > 0) & (input < 6)) * d"),
    "leaky_relu": each(
        "input, negative_slope=0.01", input="torch.where(input > 0, d, negative_slope * d)"
    ),
    "prelu": whole("input, weight", _prelu),
    "elu": each(
        "input, alpha=1.0", input="torch.where(input > 0, d, alpha * torch.exp(input) * d)"
    ),
    "celu": each(
        "input, alpha=1.0", input="torch.where(input > 0, d, torch.exp(input / alpha) * d)"
    ),
    "selu": each(
        "input",
        input=f"torch.where(input > 0, {SELU_SCALE}, {SELU_ALPHA} * torch.exp(input)) * d",
    ),
    "gelu": each("input, approximate='none'", _gelu),
    "silu": each("input", input=f"{SIGMOID} * (1 + input * (1 - {SIGMOID})) * d"),
    "mish": each(
        "input",
        {
            "$inner": "torch.tanh(torch.nn.functional.softplus(input))",
            "input": f"(inner + input * (1 - inner**2) * {SIGMOID}) * d",
        },
    ),
    "softplus": each("input, beta=1, threshold=20", _softplus),
    "logsigmoid": each("input", input="torch.sigmoid(-input) * d"),
    "softsign": each("input", input="d / (1 + torch.abs(input)) ** 2"),
    "tanhshrink": each("input", input="torch.tanh(input) ** 2 * d"),
    "softshrink": each("input, lambd=0.5", input="(out != 0) * d"),
    "hardshrink": each("input, lambd=0.5", input="(out != 0) * d"),
    "hardsigmoid": each("input", input="((input > -3) & (input < 3)) * d / 6"),
    "hardswish": each(
        "input", input="torch.where(torch.abs(input) < 3, input / 3 + 0.5, input >= 3) * d"
    ),
    "threshold": each("input, threshold, value", input="(input > threshold) * d"),
    "glu": whole(
        "input, dim=-1",
        {
            "$left": "input.chunk(2, dim)[0]",
            "$gate": "torch.sigmoid(input.chunk(2, dim)[1])",
            "input": "torch.cat([gate * d, left * gate * (1 - gate) * d], dim)",
        },
    ),
}
