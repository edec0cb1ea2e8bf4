"""Elementwise arithmetic and functions."""

import math

import torch

from handgrad.checker.write.rules.rule import Forms, NoRule, OpCall, Rule, each


def _add(c: OpCall) -> Forms:
    return {"input": "d", "other": "d" if c["alpha"] == 1 else "alpha * d"}


def _sub(c: OpCall) -> Forms:
    return {"input": "d", "other": "-d" if c["alpha"] == 1 else "-alpha * d"}


def _div(c: OpCall) -> Forms:
    c.require(rounding_mode=None)
    return {"input": "d / other", "other": "-input / other**2 * d"}


def _pow(c: OpCall) -> Forms:
    """Evaluate the numbers: x**2 gives 2 * x * d, x**-1 gives -x**-2 * d."""
    exponent = c["exponent"]
    base = {"exponent": "out * torch.log(input) * d"}
    if isinstance(exponent, torch.Tensor):
        if not isinstance(c["input"], torch.Tensor):
            return {"exponent": f"{math.log(c['input'])!r} * out * d"}
        if (torch.as_tensor(c["input"]) <= 0).any():
            base["exponent"] = "torch.where(input > 0, out * torch.log(input), 0) * d"
        return {"input": "exponent * input ** (exponent - 1) * d", **base}
    if (spelled := c.spelled(exponent)) and not _is_number(spelled):
        return {"input": "exponent * input ** (exponent - 1) * d"}
    return {"input": _power(exponent)}


def _power(k: float) -> str:
    if k == 0:
        return "torch.zeros_like(input)"
    factor = {1.0: "", -1.0: "-"}.get(k, f"{_digits(k)} * ")
    rest = {0.0: "", 1.0: "input * "}.get(k - 1, f"input**{_digits(k - 1)} * ")
    return f"{factor}{rest}d"


def _digits(k: float) -> str:
    return repr(int(k)) if float(k).is_integer() else repr(round(k, 15))


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()


def _larger(c: OpCall) -> Forms:
    """Give each operand half where they are equal, as autograd does; only if that occurs."""
    sign = ">" if c.name in ("maximum", "fmax") else "<"
    half = "0.5 * (input == other) * d"
    tied = bool((torch.as_tensor(c["input"]) == torch.as_tensor(c["other"])).any())
    more = f" + {half}" if tied else ""
    return {
        "input": f"(input {sign} other) * d{more}",
        "other": f"(other {sign} input) * d{more}",
    }


def _clamp(c: OpCall) -> Forms:
    low, high = c["min"], c["max"]
    inside = [t for t, v in (("(input >= min)", low), ("(input <= max)", high)) if v is not None]
    forms = {"input": f"({' & '.join(inside)}) * d" if len(inside) > 1 else f"{inside[0]} * d"}
    if isinstance(low, torch.Tensor):
        under = "(input < min)" if high is None else "((input < min) & (min < max))"
        forms["min"] = f"{under} * d"
    if isinstance(high, torch.Tensor):
        over = "(input > max)" if low is None else "((input > max) | (max < min))"
        forms["max"] = f"{over} * d"
    return forms


def _to(c: OpCall) -> Forms:
    same = c["input"].dtype == c.out.dtype and c["input"].device == c.out.device
    return {"input": "d" if same or not isinstance(c.d, torch.Tensor) else "d.to(input)"}


def _fmod(c: OpCall) -> Forms:
    if isinstance(c["other"], torch.Tensor) and c["other"].is_floating_point():
        rounding = "floor" if c.name == "remainder" else "trunc"
        return {"input": "d", "other": f"-torch.div(input, other, rounding_mode='{rounding}') * d"}
    return {"input": "d"}


def _where(c: OpCall) -> Forms:
    if "other" not in c.values or c["other"] is None:
        raise NoRule("where with only a condition")
    return {"input": "torch.where(condition, d, 0)", "other": "torch.where(condition, 0, d)"}


LOG2, LOG10 = "0.6931471805599453", "2.302585092994046"

RULES: dict[str, Rule] = {
    # arithmetic
    "add": each("input, other, *, alpha=1", _add),
    "sub": each("input, other, *, alpha=1", _sub),
    "mul": each("input, other", input="other * d", other="input * d"),
    "div": each("input, other, *, rounding_mode=None", _div),
    "neg": each("input", input="-d"),
    "pow": each("input, exponent", _pow),
    "float_power": each("input, exponent", _pow),
    "square": each("input", input="2 * input * d"),
    "sqrt": each("input", input="d / (2 * out)"),
    "rsqrt": each("input", input="-0.5 * out**3 * d"),
    "reciprocal": each("input", input="-(out**2) * d"),
    "remainder": each("input, other", _fmod),
    "fmod": each("input, other", _fmod),
    "lerp": each(
        "input, end, weight",
        input="(1 - weight) * d",
        end="weight * d",
        weight="(end - input) * d",
    ),
    "addcmul": each(
        "input, tensor1, tensor2, *, value=1",
        input="d",
        tensor1="value * tensor2 * d",
        tensor2="value * tensor1 * d",
    ),
    "addcdiv": each(
        "input, tensor1, tensor2, *, value=1",
        input="d",
        tensor1="value * d / tensor2",
        tensor2="-value * tensor1 / tensor2**2 * d",
    ),
    # exponentials and logarithms
    "exp": each("input", input="out * d"),
    "exp2": each("input", input=f"{LOG2} * out * d"),
    "expm1": each("input", input="(out + 1) * d"),
    "log": each("input", input="d / input"),
    "log2": each("input", input=f"d / ({LOG2} * input)"),
    "log10": each("input", input=f"d / ({LOG10} * input)"),
    "log1p": each("input", input="d / (1 + input)"),
    "logit": each("input, eps=None", input="d / (input * (1 - input))"),
    "xlogy": each("input, other", input="torch.log(other) * d", other="input / other * d"),
    "logaddexp": each(
        "input, other", input="torch.exp(input - out) * d", other="torch.exp(other - out) * d"
    ),
    "logaddexp2": each(
        "input, other", input="torch.exp2(input - out) * d", other="torch.exp2(other - out) * d"
    ),
    # trigonometry
    "sin": each("input", input="torch.cos(input) * d"),
    "cos": each("input", input="-torch.sin(input) * d"),
    "tan": each("input", input="(1 + out**2) * d"),
    "asin": each("input", input="d / torch.sqrt(1 - input**2)"),
    "acos": each("input", input="-d / torch.sqrt(1 - input**2)"),
    "atan": each("input", input="d / (1 + input**2)"),
    "atan2": each(
        "input, other",
        input="other / (input**2 + other**2) * d",
        other="-input / (input**2 + other**2) * d",
    ),
    "sinh": each("input", input="torch.cosh(input) * d"),
    "cosh": each("input", input="torch.sinh(input) * d"),
    "tanh": each("input", input="(1 - out**2) * d"),
    "asinh": each("input", input="d / torch.sqrt(input**2 + 1)"),
    "acosh": each("input", input="d / torch.sqrt(input**2 - 1)"),
    "atanh": each("input", input="d / (1 - input**2)"),
    "hypot": each("input, other", input="input / out * d", other="other / out * d"),
    "deg2rad": each("input", input="torch.pi / 180 * d"),
    "rad2deg": each("input", input="180 / torch.pi * d"),
    # special functions
    "erf": each("input", input="2 / torch.pi**0.5 * torch.exp(-(input**2)) * d"),
    "erfc": each("input", input="-2 / torch.pi**0.5 * torch.exp(-(input**2)) * d"),
    "erfinv": each("input", input="torch.pi**0.5 / 2 * torch.exp(out**2) * d"),
    "lgamma": each("input", input="torch.digamma(input) * d"),
    "digamma": each("input", input="torch.polygamma(1, input) * d"),
    # kinks and steps
    "abs": each("input", input="torch.sign(input) * d"),
    "maximum": each("input, other", _larger),
    "minimum": each("input, other", _larger),
    "fmax": each("input, other", _larger),
    "fmin": each("input, other", _larger),
    "clamp": each("input, min=None, max=None", _clamp),
    "clamp_min": each("input, min", input="(input >= min) * d"),
    "clamp_max": each("input, max", input="(input <= max) * d"),
    "sign": each("input", input="torch.zeros_like(input)"),
    "floor": each("input", input="torch.zeros_like(input)"),
    "ceil": each("input", input="torch.zeros_like(input)"),
    "round": each("input, *, decimals=0", input="torch.zeros_like(input)"),
    "trunc": each("input", input="torch.zeros_like(input)"),
    "frac": each("input", input="d"),
    "nan_to_num": each("input, nan=0, posinf=None, neginf=None", input="input.isfinite() * d"),
    "where": each("condition, input, other=None", _where),
    "masked_fill": each(
        "input, mask, value", input="d.masked_fill(mask, 0)", value="torch.where(mask, d, 0)"
    ),
    # identity
    "clone": each("input", input="d"),
    "real": each("input", input="d"),
    "to": each("input, *target, dtype=None, device=None", _to),
}
