"""Products of matrices and vectors, and convolutions."""

from handgrad.checker.write.rules.rule import Decide, Forms, NoRule, OpCall, Rule, each, whole


def _matmul(c: OpCall) -> Forms:
    """Distinguish vectors, matrices and batches. The caller sums over broadcast dimensions."""
    left, right = len(c.shape("input")), len(c.shape("other"))
    if left == right == 1:
        return {"input": "d * other", "other": "input * d"}
    if right == 1:
        outer = "torch.outer(d, other)" if left == 2 else "d.unsqueeze(-1) * other"
        inner = "input.T @ d" if left == 2 else "input * d.unsqueeze(-1)"
        return {"input": outer, "other": inner}
    if left == 1:
        inner = "other @ d" if right == 2 else "(other @ d.unsqueeze(-1)).squeeze(-1)"
        outer = "torch.outer(input, d)" if right == 2 else "input.unsqueeze(-1) * d.unsqueeze(-2)"
        return {"input": inner, "other": outer}
    return {"input": f"d @ {_turned(c, 'other')}", "other": f"{_turned(c, 'input')} @ d"}


def _turned(c: OpCall, name: str) -> str:
    turned = c.turned(name)
    if turned is not None:
        return turned
    return f"{name}.{'T' if len(c.shape(name)) == 2 else 'mT'}"


def _linear(c: OpCall) -> Forms:
    rank = len(c.shape("input"))
    weight = f"d.{'T' if rank == 2 else 'mT'} @ input" if rank > 1 else "torch.outer(d, input)"
    return {"input": "d @ weight", "bias": "d", "weight": weight}


def _scaled(text: str, factor: str, value: object) -> str:
    return text if value == 1 else f"{factor} * ({text})"


def _added(**products: str) -> Decide:
    """Return the rule of beta * input + alpha * product, given the gradients of the factors."""

    def decide(c: OpCall) -> Forms:
        factors = {name: _scaled(text, "alpha", c["alpha"]) for name, text in products.items()}
        return {"input": _scaled("d", "beta", c["beta"]), **factors}

    return decide


def _einsum(c: OpCall) -> Forms:
    """Contract d with the other operands; the operand's letters are the output."""
    equation = c["equation"].replace(" ", "")
    inputs, arrow, out = equation.partition("->")
    letters = inputs.split(",")
    if not arrow:
        if "..." in inputs:
            raise NoRule("einsum with ... and no ->")
        every = "".join(letters)
        out = "".join(sorted(x for x in set(every) if every.count(x) == 1))
    forms = {}
    for i, letters_i in enumerate(letters):
        others = [k for k in range(len(letters)) if k != i]
        if len(set(letters_i.replace(".", ""))) < len(letters_i.replace(".", "")):
            raise NoRule("einsum that takes a diagonal")
        terms = [out, *(letters[k] for k in others)]
        operands = ["d", *(f"operands{k}" for k in others)]
        if set(letters_i) - set("".join(terms)):  # a letter of this operand alone: broadcast d
            terms.append(letters_i)
            operands.append(f"torch.ones_like(operands{i})")
        forms[f"operands{i}"] = (
            f"torch.einsum({','.join(terms) + '->' + letters_i!r}, {', '.join(operands)})"
        )
    return forms


def _inner(c: OpCall) -> Forms:
    left, right = len(c.shape("input")), len(c.shape("other"))
    if left == right == 1:
        return {"input": "d * other", "other": "d * input"}
    if left == right == 2:
        return {"input": "d @ other", "other": "d.T @ input"}
    raise NoRule(f"inner of {left}-D and {right}-D")


def _bilinear(c: OpCall) -> Forms:
    if len(c.shape("input1")) != 2:
        raise NoRule(f"bilinear of {len(c.shape('input1'))}-D")
    return {
        "input1": "torch.einsum('bo,oij,bj->bi', d, weight, input2)",
        "input2": "torch.einsum('bo,oij,bi->bj', d, weight, input1)",
        "weight": "torch.einsum('bo,bi,bj->oij', d, input1, input2)",
        "bias": "d",
    }


def _conv(c: OpCall) -> Forms:
    rank = int(c.name[4])
    if isinstance(c["padding"], str) or len(c.shape("input")) != rank + 2:
        raise NoRule(f"{c.name} with padding={c['padding']!r} on {len(c.shape('input'))}-D input")
    settings = "stride, padding, dilation, groups"
    return {
        "input": f"torch.nn.grad.{c.name}_input({c.size('input')}, weight, d, {settings})",
        "weight": f"torch.nn.grad.{c.name}_weight(input, {c.size('weight')}, d, {settings})",
        "bias": f"d.sum({(0, *range(2, rank + 2))})",
    }


SCALES = "*, beta=1, alpha=1"
_BATCHED = _added(mat1="d @ mat2.mT", mat2="mat1.mT @ d")
"""Also for addbmm, which sums over the batch: d broadcasts."""
_CROSS = {
    "input": "torch.linalg.cross(other, d, dim=dim)",
    "other": "torch.linalg.cross(d, input, dim=dim)",
}
CONV = "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1"

RULES: dict[str, Rule] = {
    "matmul": whole("input, other", _matmul),
    "mm": whole("input, other", input="d @ other.T", other="input.T @ d"),
    "bmm": whole("input, other", input="d @ other.mT", other="input.mT @ d"),
    "mv": whole("input, other", _matmul),
    "dot": each("input, other", input="d * other", other="d * input"),
    "vdot": each("input, other", input="d * other", other="d * input"),
    "inner": whole("input, other", _inner),
    "vecdot": whole(
        "input, other, *, dim=-1",
        input="other * d.unsqueeze(dim)",
        other="input * d.unsqueeze(dim)",
    ),
    "outer": whole("input, vec2", input="d @ vec2", vec2="d.T @ input"),
    "linear": whole("input, weight, bias=None", _linear),
    "bilinear": whole("input1, input2, weight, bias=None", _bilinear),
    "addmm": whole(f"input, mat1, mat2, {SCALES}", _added(mat1="d @ mat2.T", mat2="mat1.T @ d")),
    "baddbmm": whole(f"input, mat1, mat2, {SCALES}", _BATCHED),
    "addbmm": whole(f"input, mat1, mat2, {SCALES}", _BATCHED),
    "addmv": whole(
        f"input, mat, vec, {SCALES}", _added(mat="torch.outer(d, vec)", vec="mat.T @ d")
    ),
    "addr": whole(f"input, vec1, vec2, {SCALES}", _added(vec1="d @ vec2", vec2="d.T @ vec1")),
    "einsum": whole("equation, *operands", _einsum),
    "cross": whole("input, other, dim=-1", _CROSS),
    "linalg_cross": whole("input, other, *, dim=-1", _CROSS),
    "conv1d": whole(CONV, _conv),
    "conv2d": whole(CONV, _conv),
}
