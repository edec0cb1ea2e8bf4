"""Each recorded torch function gives what NumPy gave; the program's own numbers do not change."""

import ast

import numpy as np
import pytest
import torch

from handgrad.checker.record.arrays.unfollowed import Unfollowed
from handgrad.checker.record.trace import Op, tensors_in
from handgrad.checker.session import Session

SETUP = """
import numpy as np
r = np.random.RandomState(0)
a, b, v = r.randn(4, 3), r.randn(4, 3), r.randn(3)
c, k = r.rand(2, 4, 3) + 0.5, r.randn(3, 5)
p = r.rand(4, 3) + 0.1
y, m = np.array([2, 0, 1, 1]), r.randn(4, 3) > 0
f = a.astype(np.float32)
n = np.arange(12).reshape(4, 3)
"""
EXPRESSIONS = """

a + b; a - 1; 1 - a; 2 / p; p / 2; 2 ** p; p ** 2; a * v; -a; +a; abs(a); a // 2; a % 2; a * m
1 - m; m - a; m.mean(); n.mean(axis=0); n / 2; n @ k; k.T @ n.T; a @ k; np.dot(a, k); a.dot(v)
v.dot(v); np.dot(2, v); np.dot(c, k); np.inner(v, v); np.inner(a, b); np.outer(v, y)
np.outer(a, v); np.vdot(a, b); np.tensordot(c, a, axes=([1, 2], [0, 1])); np.tensordot(a, k, 1)
np.kron(v, v); np.tensordot(c, k, axes=(-1, 0)); np.einsum('ij,kj->ik', a, b)
np.einsum('bij,jk->bik', c, k); np.trace(k[:, :3]); np.linalg.norm(a)
np.linalg.norm(a, axis=1, keepdims=True); np.linalg.norm(v); np.linalg.inv(k[:, :3])
np.linalg.solve(k[:, :3], v); np.matmul(c, k); np.multiply.outer(v, v); np.exp(a); np.log(p)
np.sqrt(p); np.tanh(a); np.sin(a); np.cos(a); np.square(a); np.sign(a); np.cbrt(a); np.abs(a)
np.reciprocal(p); np.log1p(p); np.expm1(a); np.log2(p); np.log10(p); np.arctan2(a, b)
np.maximum(0, a); np.maximum(a, 0.0); np.maximum(a, b); np.minimum(a, 0.5); np.maximum(a, v)
np.where(a > 0, a, 0); np.where(m, a, b); np.where(a > 0, 1.0, 0.01); np.clip(a, -1, 1); a.clip(0)
np.clip(a, a_min=None, a_max=1); np.power(a, 2); np.power(p, 0.5); np.logaddexp(a, b); a > b
a == b; (a > 0) & (b < 1); (a > 0).astype(float); np.logical_and(a > 0, m); np.logical_not(m); ~m
a ** -1; np.sum(a); a.sum(axis=0); a.sum(0, keepdims=True); np.sum(c, axis=(0, 2)); a.sum(-1)
m.sum(); m.sum(axis=1); np.mean(a, axis=1, keepdims=True); a.mean(); np.std(a, axis=0)
a.var(axis=0); np.var(a, ddof=1); a.std(); np.max(a, axis=1, keepdims=True); a.max()
a.min(axis=0); np.amax(a, 1); np.prod(p); np.prod(p, axis=0); np.argmax(a, axis=1); a.argmin()
np.cumsum(a, axis=0); a.cumsum(); np.cumprod(p, axis=1); np.add.reduce(a)
np.add.reduce(a, axis=1); np.maximum.reduce(a, axis=1); np.add.accumulate(a); np.any(m)
np.all(m, axis=0); np.average(a, axis=0); np.count_nonzero(m); np.sum(a, axis=1)[:, None]
np.sum(a * a) + 1; sum(v) + 0; a.T; c.T; a.transpose(); c.transpose(0, 2, 1)
np.transpose(c, (1, 0, 2)); np.swapaxes(c, 0, 1); c.swapaxes(1, 2); a.reshape(3, 4)
a.reshape((2, -1)); np.reshape(a, (12,)); a.ravel(); a.flatten(); np.squeeze(a[None])
a[None].squeeze(0); np.expand_dims(a, 0); np.expand_dims(v, (0, 2)); a[:, np.newaxis]
np.concatenate([a, b], axis=1); np.concatenate((a, b)); np.stack([a, b]); np.hstack([a, b])
np.vstack([v, v]); np.column_stack([v, v]); np.append(v, v); np.split(c, 2)
np.split(a, [1, 3], axis=0); np.array_split(a, 3); np.hsplit(a, 3); np.tile(v, (4, 1))
np.tile(v, 2); np.repeat(a, 2, axis=1); np.repeat(v, 3); a.repeat(2); np.pad(a, 1)
np.pad(a, ((0, 1), (2, 0))); np.pad(a, [(0, 0), (1, 1)], mode='constant')
np.pad(a, 1, 'constant', constant_values=2.0); np.broadcast_to(v, (4, 3)); np.flip(a)
np.flip(a, 1); np.flipud(a); np.fliplr(a); a[::-1]; a[:, ::-1]; v[::-1]; a[1:3, ::-2]
np.roll(a, 1, axis=0); np.rot90(a, 2); np.tril(a); np.triu(a, 1); np.diag(v); np.diag(k[:, :3])
np.diagonal(a); np.sort(a, axis=0); np.take(a, [0, 2], axis=0); np.take(v, 1); a[0]; a[-1, 2]
a[1:3]; a[..., 0]; a[y]; a[range(4), y % 3]; a[np.arange(4), y % 3]; a[m]; a[[0, 2]]; a[:, [0, 2]]
a[a > 0]; c[:, 1, :]; a[np.ix_([0, 1], [0, 2])]; np.take_along_axis(a, y[:, None], axis=1)
np.diff(v); np.round(a, 2); a.round(); np.atleast_2d(v); a.copy(); np.copy(a)
a.astype(np.float32); f * 2; f @ f.T; f + a; f.astype(float); np.array(a); np.asarray(a)
np.array([v, v]); np.array([v.sum(), 1.0]); np.mean([v.sum(), v.mean()]); np.float64(v.sum()) * 2
np.ascontiguousarray(a.T); np.eye(3)[y]; np.moveaxis(c, 0, -1); np.sum([v, v], axis=0); max(v) * 2
float(v.sum()) * 2; v.sum() * a; v.sum() / 2; 2 - v.sum(); -v.sum(); np.exp(v.sum()); v[0] * v[1]
abs(v[0]); v[1] ** 2; v.sum().item() * 2
""".replace("\n", ";")  # fmt: skip
STATEMENTS = """

a += b | a -= 1 | a *= v | a /= 2 | a **= 2 | a[0] = 1 | a[y] = b[0] | a[m] = 0 | a[:, 1] = v[0]
a[range(4), y % 3] -= 1 | a[1:3] += b[1:3] | np.add.at(a, y, b) | np.add.at(a, (y, y % 3), 1.0)
np.add.at(a, (slice(None), y % 3), 1.0) | np.subtract.at(a, y, b) | np.exp(b, out=a)
np.clip(a, -1, 1, out=a) | np.copyto(a, b) | a.fill(0.5) | np.fill_diagonal(a, 0) | a.sort()
r.shuffle(a) | a[::-1] = b | a[:, ::-1] += b | a[0, 0] = v.sum() | a[0] = [1.0, 2.0, 3.0]
a.T[0] += 1 | a.ravel()[3] = 7 | w = a[1]; w *= 2 | a[...] = 0 | a[:] = b
np.dot(b, np.eye(3), out=a) | np.multiply(a, b, out=a) | f += 1 | f *= f.sum()
np.maximum(a, 0, out=a) | a -= a.max() | a[a < 0] = 0 | a[a < 0] *= 0.1 | n[0] += 1 | c[:, 0] += v
a[1], a[0] = b[0], v
""".replace("\n", "|")  # fmt: skip


def recorded(source: str) -> tuple[Session, dict]:
    session = Session()
    tree = session.transform(ast.parse(source), None, source)
    names = {"__handgrad__": session.hook}
    with session.recording():
        exec(compile(tree, "<test>", "exec"), names)
    assert not session.recorder.failures
    return session, names


def parts(text: str, mark: str) -> list[str]:
    return [part.strip() for part in text.split(mark) if part.strip()]


def same(ours: object, plain: object) -> bool:
    if isinstance(plain, list | tuple):
        return len(ours) == len(plain) and all(map(same, ours, plain))
    is_equal = np.array_equal(np.asarray(ours), np.asarray(plain), equal_nan=True)
    return is_equal and np.asarray(ours).dtype == np.asarray(plain).dtype


@pytest.mark.parametrize("expression", parts(EXPRESSIONS, ";"))
def test_recorded_function_gives_numpys_result(expression: str) -> None:
    source = f"{SETUP}z = {expression}\n"
    plain: dict = {}
    exec(source, plain)
    session, names = recorded(source)
    assert same(names["z"], plain["z"])
    for op in session.recorder.trace.of(Op):
        assert not isinstance(op.func, Unfollowed), op.func.__name__
        with torch.no_grad():
            again = op.func(*op.args, **op.kwargs)
        for found, given in zip(tensors_in(again), tensors_in(op.result), strict=True):
            assert found.shape == given.shape
            torch.testing.assert_close(found.double(), given.double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("statement", parts(STATEMENTS, "|"))
def test_recorded_write_gives_numpys_result(statement: str) -> None:
    """The writes run again, in order, on copies of the memory give what NumPy wrote."""
    source = f"{SETUP}a0 = a.copy()\n{statement}\nz = a + f + n\n"
    plain: dict = {}
    exec(source, plain)
    session, names = recorded(source)
    assert all(same(names[n], plain[n]) for n in ("a", "f", "n", "z", "c"))
    from handgrad.checker.passes.replay import Replay
    from handgrad.checker.record.trace import Bind, key_of

    trace = session.recorder.trace
    binds = {b.name: b for b in trace.of(Bind) if b.name in ("a", "b", "c", "v", "f")}
    leaves = {key_of(b.value) for b in binds.values()}
    replay = Replay(trace, leaves)
    replay.run(trace.events)
    assert not replay.failures
    final = trace.of(Bind)[-1]
    found = replay.get(final.value, final.index)
    assert replay.is_live(final.value)
    torch.testing.assert_close(found.numpy(), plain["z"], rtol=1e-5, atol=1e-6)
