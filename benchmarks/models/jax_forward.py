"""Our models in JAX, words padded to block_size; lax.scan over the characters of recurrent ones.

FORWARDS: name -> (model, params, state, inputs) -> (logits, state), as in torch_forward.
"""

from collections.abc import Callable
from typing import Any

from handgrad.constants import BATCHNORM_EPS, NORM_EPS

Forward = Callable[[Any, Any, Any, Any, Any], tuple[Any, Any]]


def loss_of(jax: Any, model: Any, p: Any, state: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
    """Return the loss in nats per character and the new state of batch normalisation."""
    logits, state = FORWARDS[model.name](jax, model, p, state, inputs)
    logprobs = jax.nn.log_softmax(logits)
    exists = targets >= 0
    chosen = jax.numpy.take_along_axis(logprobs, (targets * exists)[..., None], axis=-1)[..., 0]
    return -(chosen * exists).sum() / exists.sum(), state


def _bigram(jax: Any, model: Any, p: Any, state: Any, inputs: Any) -> tuple[Any, Any]:
    return p["C"][inputs], state


def _bow(jax: Any, model: Any, p: Any, state: Any, inputs: Any) -> tuple[Any, Any]:
    jnp, time = jax.numpy, inputs.shape[1]
    x = p["C"][inputs] + p["P"][:time]  # (B, T, C)
    weights = jnp.tril(jnp.ones((time, time), x.dtype)) / jnp.arange(1, time + 1)[:, None]
    x = x + weights.astype(x.dtype) @ x
    x = x + _linear(p, "2", jnp.tanh(_linear(p, "1", x)))
    return _linear(p, "3", x), state


def _mlp(jax: Any, model: Any, p: Any, state: Any, inputs: Any) -> tuple[Any, Any]:
    h = p["C"][inputs].reshape(len(inputs), -1)
    after: dict[str, Any] = {}
    for layer in range(1, model.n_layer + 1):
        h = _linear(p, f"{layer}", h)
        if model.batchnorm:
            suffix = "" if model.n_layer == 1 else f"_{layer}"
            h, moved = _batchnorm(jax, p, state, suffix, h, model.momentum)
            after |= moved
        h = jax.numpy.tanh(h)
    return _linear(p, f"{model.n_layer + 1}", h), after


def _wavenet(jax: Any, model: Any, p: Any, state: Any, inputs: Any) -> tuple[Any, Any]:
    h = p["C"][inputs]  # (B, T, C)
    after: dict[str, Any] = {}
    for layer in range(1, model.n_layer + 1):
        pairs = h.reshape(len(h), h.shape[1] // 2, -1) @ p[f"W{layer}"]
        h, moved = _batchnorm(jax, p, state, f"_{layer}", pairs, model.momentum)
        h, after = jax.numpy.tanh(h), after | moved
    return _linear(p, f"{model.n_layer + 1}", h[:, 0]), after


def _recurrent(jax: Any, model: Any, p: Any, state: Any, inputs: Any) -> tuple[Any, Any]:
    jnp = jax.numpy
    x = p["C"][inputs.T]  # (T, B, C)
    for layer in range(1, model.n_layer + 1):
        channels, W = x.shape[-1], p[f"W{layer}"]
        # the product with x is one for all characters
        parts = x @ W[:channels] + p[f"b{layer}"]
        cell, Wh = CELLS[model.name], W[channels:]

        def step(carried: Any, part: Any, cell: Any = cell, Wh: Any = Wh) -> tuple[Any, Any]:
            carried = cell(jax, part, carried, Wh)
            return carried, carried[0]

        starts = (p[f"{start}_{layer}"] for start in model.starts)
        carried = tuple(jnp.broadcast_to(x, (len(inputs), x.shape[1])) for x in starts)
        _, x = jax.lax.scan(step, carried, parts)
    return _linear(p, f"{model.n_layer + 1}", x).swapaxes(0, 1), state


def _rnn(jax: Any, part: Any, carried: Any, W: Any) -> Any:
    return (jax.numpy.tanh(part + carried[0] @ W),)


def _gru(jax: Any, part: Any, carried: Any, W: Any) -> Any:
    h, width = carried[0], W.shape[0]
    rz = jax.nn.sigmoid(part[:, : 2 * width] + h @ W[:, : 2 * width])
    r, z = rz[:, :width], rz[:, width:]
    hbar = jax.numpy.tanh(part[:, 2 * width :] + (r * h) @ W[:, 2 * width :])
    return (h + z * (hbar - h),)


def _lstm(jax: Any, part: Any, carried: Any, W: Any) -> Any:
    h, c = carried
    i, f, g, o = jax.numpy.split(part + h @ W, 4, axis=1)
    sigmoid, tanh = jax.nn.sigmoid, jax.numpy.tanh
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


CELLS = {"rnn": _rnn, "gru": _gru, "lstm": _lstm}


def _transformer(jax: Any, model: Any, p: Any, state: Any, inputs: Any) -> tuple[Any, Any]:
    def norm(name: str, x: Any) -> Any:
        diff = x - x.mean(-1, keepdims=True)
        rstd = jax.lax.rsqrt((diff * diff).mean(-1, keepdims=True) + NORM_EPS)
        return diff * rstd * p[f"gain_{name}"] + p[f"bias_{name}"]

    x = p["C"][inputs] + p["P"][: inputs.shape[1]]
    for layer in range(1, model.n_layer + 1):
        qkv = _linear(p, f"qkv_{layer}", norm(f"norm1_{layer}", x))
        x = x + _linear(p, f"o_{layer}", _attention(jax, qkv, model.n_head))
        hpreact = _linear(p, f"1_{layer}", norm(f"norm2_{layer}", x))
        x = x + _linear(p, f"2_{layer}", jax.nn.gelu(hpreact, approximate=True))
    return norm("norm", x) @ p["Wout"], state


def _microgpt(jax: Any, model: Any, p: Any, state: Any, inputs: Any) -> tuple[Any, Any]:
    def norm(x: Any) -> Any:
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + NORM_EPS)

    x = norm(p["C"][inputs] + p["P"][: inputs.shape[1]])
    for layer in range(1, model.n_layer + 1):
        mixed = _attention(jax, norm(x) @ p[f"Wqkv_{layer}"], model.n_head)
        x = x + mixed @ p[f"Wo_{layer}"]
        x = x + jax.nn.relu(norm(x) @ p[f"W1_{layer}"]) @ p[f"W2_{layer}"]
    return x @ p["Wout"], state


def _attention(jax: Any, qkv: Any, heads: int) -> Any:
    jnp, (words, time, _) = jax.numpy, qkv.shape
    parts = jnp.split(qkv, 3, axis=-1)
    q, k, v = (part.reshape(words, time, heads, -1).swapaxes(1, 2) for part in parts)
    scores = q @ k.swapaxes(-2, -1) * q.shape[-1] ** -0.5  # (B, heads, T, T)
    past = jnp.tril(jnp.ones((time, time), bool))
    weights = jax.nn.softmax(jnp.where(past, scores, -jnp.inf))
    return (weights @ v).swapaxes(1, 2).reshape(words, time, -1)


def _linear(p: Any, name: str, x: Any) -> Any:
    return x @ p[f"W{name}"] + p[f"b{name}"]


def _batchnorm(
    jax: Any, p: Any, state: Any, suffix: str, x: Any, momentum: float
) -> tuple[Any, Any]:
    rows = x.reshape(-1, x.shape[-1])
    mean, var = rows.mean(0, keepdims=True), rows.var(0, keepdims=True, ddof=1)
    out = p[f"bngain{suffix}"] * (x - mean) * jax.lax.rsqrt(var + BATCHNORM_EPS)
    names = f"bnmean_running{suffix}", f"bnvar_running{suffix}"
    moved = {
        name: state[name] + momentum * (jax.lax.stop_gradient(batch) - state[name])
        for name, batch in zip(names, (mean, var), strict=True)
    }
    return out + p[f"bnbias{suffix}"], moved


FORWARDS: dict[str, Forward] = {
    "bigram": _bigram,
    "bow": _bow,
    "mlp": _mlp,
    "wavenet": _wavenet,
    "rnn": _recurrent,
    "gru": _recurrent,
    "lstm": _recurrent,
    "transformer": _transformer,
    "microgpt": _microgpt,
}
