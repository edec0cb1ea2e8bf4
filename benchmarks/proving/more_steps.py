"""More STEPS: broadcasting, reductions, indexing, views, joining, splitting, batched products."""

from benchmarks.proving.steps import (
    ELEMENTWISE,
    Draft,
    Node,
    Step,
    batchnorm,
    einsum,
    elementwise,
    function,
    layernorm,
    linear,
    log_softmax,
    rmsnorm,
    softmax,
    standardised,
)


def broadcast(d: Draft, x: Node) -> Node:
    """Multiply by, or subtract, a broadcast row, column or number."""
    shape, total = d.rng.choice(
        [
            ((x.width,), "sum(0)"),
            ((1, x.width), "sum(0, keepdim=True)"),
            ((1,), "sum().view(1)"),
            (("n", 1), "sum(1, keepdim=True)"),
        ]
    )
    v, out = d.parameter("v", *shape, around=1.0), d.name("br")
    if d.rng.random() < 0.5:
        parts = ((v, f"({x.name} * D).{total}"), (x.name, f"{v} * D"))
        return Node(d.line(out, f"{x.name} * {v}", *parts), x.width)
    return Node(d.line(out, f"{x.name} - {v}", (v, f"-D.{total}"), (x.name, "D.clone()")), x.width)


def residual(d: Draft, x: Node) -> Node:
    """Use an earlier node again, so that two branches meet."""
    z = d.older(x.width)
    if d.rng.random() < 0.5:
        parts = ((x.name, "D.clone()"), (z.name, "0.5 * D"))
        return Node(d.line(d.name("res"), f"{x.name} + 0.5 * {z.name}", *parts), x.width)
    gate = d.name("gate")
    d.line(gate, f"torch.sigmoid({z.name})", (z.name, f"{gate} * (1 - {gate}) * D"))
    parts = ((x.name, f"{gate} * D"), (gate, f"{x.name} * D"))
    return Node(d.line(d.name("gated"), f"{x.name} * {gate}", *parts), x.width)


def centred(d: Draft, x: Node) -> Node:
    """Subtract each row's mean, maximum or last element."""
    i, how = x.name, d.rng.choice(["mean", "amax", "last"])
    if how == "mean":
        m = d.line(
            d.name("rowmean"), f"{i}.mean(dim=1)", (i, f"D[:, None].expand_as({i}) / {x.width}")
        )
    elif how == "amax":
        m = d.line(
            d.name("rowmax"),
            f"{i}.max(dim=1)[0]",
            (i, f"torch.zeros_like({i}).scatter_(1, {i}.argmax(1)[:, None], D[:, None])"),
        )
    else:
        m = d.line(d.name("last"), f"{i}[:, -1]", (f"{i}[:, -1]", "D"))
    parts = ((i, "D.clone()"), (m, "-D.sum(1)"))
    return Node(d.line(d.name("centred"), f"{i} - {m}.unsqueeze(1)", *parts), x.width)


def rows(d: Draft, x: Node) -> Node:
    """Look up rows, some several times, some never."""
    ix, out = d.constant("ix", "torch.randint(0, n, (n,), generator=g)"), d.name("rows")
    way = d.rng.choice(
        [
            f"torch.zeros_like({x.name}).index_add_(0, {ix}, D)",
            f"torch.zeros_like({x.name}).index_put_(({ix},), D, accumulate=True)",
        ]
    )
    return Node(d.line(out, f"{x.name}[{ix}]", (x.name, way)), x.width)


def gathered(d: Draft, x: Node) -> Node:
    """Choose one column per row, several times."""
    wide = d.rng.randint(2, 6)
    ix = d.constant("ix", f"torch.randint(0, {x.width}, (n, {wide}), generator=g)")
    part = (x.name, f"torch.zeros_like({x.name}).scatter_add_(1, {ix}, D)")
    return Node(d.line(d.name("picked"), f"{x.name}.gather(1, {ix})", part), wide)


def sliced(d: Draft, x: Node) -> Node:
    """Take the first columns, or every other one."""
    if x.width < 3:
        return elementwise(d, x)
    cut = d.rng.choice([":-1", "1:", "::2"])
    wide = len(range(x.width)[slice(*(int(s) if s else None for s in cut.split(":")))])
    return Node(d.line(d.name("cols"), f"{x.name}[:, {cut}]", (f"{x.name}[:, {cut}]", "D")), wide)


def joined(d: Draft, x: Node) -> Node:
    """Concatenate with an earlier node."""
    z = d.older()
    if x.width + z.width > 24:
        return linear(d, x)
    parts = ((x.name, f"D[:, :{x.width}].clone()"), (z.name, f"D[:, {x.width}:].clone()"))
    out = d.line(d.name("cat"), f"torch.cat([{x.name}, {z.name}], 1)", *parts)
    return Node(out, x.width + z.width)


def halves(d: Draft, x: Node) -> Node:
    """Split into halves; one gates the other."""
    if x.width % 2:
        return elementwise(d, x)
    a, b, i = d.name("left"), d.name("right"), x.name
    d.forward.append(f"{a}, {b} = {i}.split({x.width // 2}, dim=1)")
    d.undo.append((a, [(i, f"torch.cat([d{a}, d{b}], 1)")]))
    parts = ((a, f"torch.tanh({b}) * D"), (b, f"{a} * (1 - torch.tanh({b}) ** 2) * D"))
    return Node(d.line(d.name("glu"), f"{a} * torch.tanh({b})", *parts), x.width // 2)


def masked(d: Draft, x: Node) -> Node:
    """Replace some elements."""
    mask, i = d.constant("mask", f"torch.rand((n, {x.width}), generator=g) < 0.3"), x.name
    if d.rng.random() < 0.5:
        part = (i, f"torch.where({mask}, 0, D)")
        return Node(d.line(d.name("where"), f"torch.where({mask}, 0.5, {i})", part), x.width)
    part = (i, f"D.masked_fill({mask}, 0)")
    return Node(d.line(d.name("filled"), f"{i}.masked_fill({mask}, -1.0)", part), x.width)


def summed_up(d: Draft, x: Node) -> Node:
    """Running sums along the row."""
    part = (x.name, f"D.flip(1).cumsum(1).flip(1) / {x.width}")
    return Node(d.line(d.name("cum"), f"{x.name}.cumsum(1) / {x.width}", part), x.width)


def attention(d: Draft, x: Node) -> Node:
    """Batched products of a view with its own transpose."""
    if x.width % 2:
        return elementwise(d, x)
    i, half = x.name, x.width // 2
    u = d.line(d.name("heads"), f"{i}.view(n, 2, {half})", (i, f"D.reshape(n, {x.width})"))
    scores = d.line(
        d.name("scores"),
        f"{u} @ {u}.transpose(1, 2) / {half}",
        (u, f"(D @ {u} + D.transpose(1, 2) @ {u}) / {half}"),
    )
    weights = d.name("weights")
    d.line(
        weights,
        f"F.softmax({scores}, -1)",
        (scores, f"{weights} * (D - ({weights} * D).sum(-1, keepdim=True))"),
    )
    mixed = d.line(
        d.name("mixed"), f"{weights} @ {u}", (weights, f"D @ {u}.mT"), (u, f"{weights}.mT @ D")
    )
    return Node(
        d.line(d.name("flat"), f"{mixed}.reshape(n, -1)", (mixed, f"D.view({mixed}.shape)")),
        x.width,
    )


def across(d: Draft, x: Node) -> Node:
    """Transpose, scale, and transpose back."""
    v = d.parameter("v", x.width, 1, around=1.0)
    t = d.line(
        d.name("turned"),
        f"{x.name}.T * {v}",
        (x.name, f"(D * {v}).T"),
        (v, f"(D * {x.name}.T).sum(1, keepdim=True)"),
    )
    return Node(d.line(d.name("back"), f"{t}.t().contiguous()", (t, "D.t().clone()")), x.width)


STEPS: dict[str, Step] = {
    "linear": linear,
    "einsum": einsum,
    "batchnorm": batchnorm,
    "standardised": standardised,
    "layernorm": layernorm,
    "rmsnorm": rmsnorm,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "broadcast": broadcast,
    "residual": residual,
    "centred": centred,
    "rows": rows,
    "gathered": gathered,
    "sliced": sliced,
    "joined": joined,
    "halves": halves,
    "masked": masked,
    "summed_up": summed_up,
    "attention": attention,
    "across": across,
    **{stem: function(stem) for stem in ELEMENTWISE},
}
