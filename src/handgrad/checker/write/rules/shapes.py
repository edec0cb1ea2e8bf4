"""Operations that move or repeat elements: move them back, or sum over the copies."""

from itertools import accumulate

from handgrad.checker.write.rules.rule import Forms, NoRule, OpCall, Rule, whole


def _reshape(c: OpCall) -> Forms:
    how = "view" if c.spelling.startswith("view") and _viewable(c) else "reshape"
    if c.plain("input") or not c.shape():
        return {"input": f"d.{how}({c.size()})"}
    digits = "input.shape" if c.is_moved("input") else ", ".join(map(str, c.shape()))
    size = c.sized(c.shape()) or digits
    return {"input": f"d.{how}({size})"}


def _viewable(c: OpCall) -> bool:
    try:
        c.d.view(c.shape())
    except RuntimeError:
        return False
    return True


def _transpose(c: OpCall) -> Forms:
    rank = len(c.shape())
    last = sorted((c["dim0"] % rank, c["dim1"] % rank)) == [rank - 2, rank - 1]
    return {"input": "d.mT" if last and c.is_product() else "d.transpose(dim0, dim1)"}


def _permute(c: OpCall) -> Forms:
    dims = [d % len(c.shape()) for d in c["dim"]]
    back = sorted(range(len(dims)), key=dims.__getitem__)
    if back == [*range(len(dims) - 2), len(dims) - 1, len(dims) - 2] and c.is_product():
        return {"input": "d.mT"}
    return {"input": f"d.permute({', '.join(map(str, back))})"}


def _repeat(c: OpCall) -> Forms:
    """Split each dimension that is repeated r times into (r, size), and sum over r."""
    sizes, shape = c["sizes"], c.shape()
    if len(sizes) < len(shape):  # tile
        sizes = (1,) * (len(shape) - len(sizes)) + tuple(sizes)
    lead = len(sizes) - len(shape)
    split: list[int] = []
    summed: list[int] = []
    for i, times in enumerate(sizes):
        if i < lead or times != 1:
            summed.append(len(split))
            split.append(times)
        if i >= lead:
            split.append(shape[i - lead])
    dims = summed[0] if len(summed) == 1 else tuple(summed)
    return {"input": f"d.reshape{tuple(split)}.sum({dims})" if summed else "d"}


def _repeat_interleave(c: OpCall) -> Forms:
    if not isinstance(c["repeats"], int):
        raise NoRule("repeat_interleave by a tensor")
    if c["dim"] is None:
        return {"input": f"d.reshape(-1, repeats).sum(1).reshape({c.size()})"}
    dim, shape = c["dim"] % len(c.shape()), list(c.shape())
    split = (*shape[: dim + 1], c["repeats"], *shape[dim + 1 :])
    return {"input": f"d.reshape{split}.sum({dim + 1})"}


def _roll(c: OpCall) -> Forms:
    shifts, dims = c["shifts"], c["dim"]
    back = tuple(-s for s in shifts) if isinstance(shifts, tuple | list) else -shifts
    if dims is None or dims == ():
        return {"input": f"d.roll({back})"}
    return {"input": f"d.roll({back}, {dims if isinstance(dims, int) else tuple(dims)})"}


def _cut(dim: int, begin: int, end: int, size: int) -> str:
    """Return text for the elements of d from begin to end along a dimension."""
    part = f"{begin or ''}:{'' if end == size else end}"
    if dim < 3:
        return f"d[{':, ' * dim}{part}]"
    return f"d.narrow({dim}, {begin}, {end - begin})"


def _cat(c: OpCall) -> Forms:
    tensors = c["tensors"]
    rank = max(t.dim() for t in tensors)
    dim = c["dim"] % max(rank, 1)
    sizes = [t.shape[dim] if t.dim() == rank else 0 for t in tensors]
    ends = list(accumulate(sizes))
    if len(sizes) == 2 and c.plain("tensors0") and rank == tensors[0].dim() and dim < 3:
        before, size = f"d[{':, ' * dim}", f"tensors0.shape[{dim}]"
        return {"tensors0": f"{before}:{size}]", "tensors1": f"{before}{size}:]"}
    return {
        f"tensors{i}": _cut(dim, ends[i] - size, ends[i], ends[-1]) for i, size in enumerate(sizes)
    }


def _hstack(c: OpCall) -> Forms:
    c.values["dim"] = 0 if c.out.dim() == 1 else 1
    return _cat(c)


def _vstack(c: OpCall) -> Forms:
    c.values["dim"] = 0
    if all(t.dim() >= 2 for t in c["tensors"]):
        return _cat(c)
    return {f"tensors{i}": f"d[{i}]" for i, _ in enumerate(c["tensors"])}


def _stack(c: OpCall) -> Forms:
    dim = c["dim"] % c.out.dim()
    return {f"tensors{i}": f"d[{':, ' * dim}{i}]" for i, _ in enumerate(c["tensors"])}


def _joined(c: OpCall) -> Forms:
    """Concatenate the gradients of the parts, or stack those of unbind."""
    parts = ", ".join(f"d{i}" for i in range(len(c.outs)))
    if c.name != "unbind":
        return {"input": f"torch.cat([{parts}], dim)"}
    return {"input": f"torch.stack([{parts}]{'' if c['dim'] == 0 else ', dim'})"}


def _narrow(c: OpCall) -> Forms:
    dim, start = c["dim"] % len(c.shape()), int(c["start"])
    end = start + c["length"]
    return {"input": f"torch.zeros_like(input).slice_scatter(d, {dim}, {start}, {end})"}


def _diag(c: OpCall) -> Forms:
    if len(c.shape()) == 1:
        return {"input": "d.diagonal(diagonal)"}
    return {"input": "torch.zeros_like(input).diagonal_scatter(d, diagonal)"}


def _tri(c: OpCall) -> Forms:
    return {"input": f"d.{c.name}({'' if c['diagonal'] == 0 else 'diagonal'})"}


def _pad(c: OpCall) -> Forms:
    c.require(mode="constant")
    return {"input": f"torch.nn.functional.pad(d, {tuple(-p for p in c['pad'])})"}


def _rot90(c: OpCall) -> Forms:
    return {"input": f"torch.rot90(d, {-c['k']}, {tuple(c['dim'])})"}


RULES: dict[str, Rule] = {
    "reshape": whole("input, *shape", _reshape),
    "reshape_as": whole("input, other", lambda c: {**_reshape(c), "other": ""}),
    "flatten": whole("input, start_dim=0, end_dim=-1", _reshape),
    "unflatten": whole("input, dim, sizes", _reshape),
    "ravel": whole("input", _reshape),
    "squeeze": whole("input, dim=None", _reshape),
    "unsqueeze": whole("input, dim", input="d.squeeze(dim)"),
    "atleast_1d": whole("input", _reshape),
    "atleast_2d": whole("input", _reshape),
    "t": whole("input", input="d.T"),
    "mT": whole("input", input="d.mT"),
    "transpose": whole("input, dim0, dim1", _transpose),
    "permute": whole("input, *dim", _permute),
    "movedim": whole("input, source, destination", input="d.movedim(destination, source)"),
    "expand": whole("input, *sizes", input="d"),
    "expand_as": whole("input, other", input="d", other=""),
    "repeat": whole("input, *sizes", _repeat),
    "repeat_interleave": whole("input, repeats, dim=None", _repeat_interleave),
    "flip": whole("input, *dim", input="d.flip(dim)"),
    "fliplr": whole("input", input="d.fliplr()"),
    "flipud": whole("input", input="d.flipud()"),
    "roll": whole("input, shifts, dim=None", _roll),
    "rot90": whole("input, k=1, dim=(0, 1)", _rot90),
    "cat": whole("tensors, dim=0", _cat),
    "hstack": whole("tensors", _hstack),
    "vstack": whole("tensors", _vstack),
    "stack": whole("tensors, dim=0", _stack),
    "split": whole("input, split_size, dim=0", _joined),
    "split_with_sizes": whole("input, split_sizes, dim=0", _joined),
    "tensor_split": whole("input, sections, dim=0", _joined),
    "chunk": whole("input, chunks, dim=0", _joined),
    "unbind": whole("input, dim=0", _joined),
    "narrow": whole("input, dim, start, length", _narrow),
    "diagonal": whole(
        "input, offset=0, dim1=0, dim2=1",
        input="torch.zeros_like(input).diagonal_scatter(d, offset, dim1, dim2)",
    ),
    "diag": whole("input, diagonal=0", _diag),
    "diag_embed": whole(
        "input, offset=0, dim1=-2, dim2=-1", input="d.diagonal(offset, dim1, dim2)"
    ),
    "tril": whole("input, diagonal=0", _tri),
    "triu": whole("input, diagonal=0", _tri),
    "pad": whole("input, pad, mode='constant', value=None", _pad),
}
