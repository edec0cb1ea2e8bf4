"""JAX: one jitted lax.scan over a block of steps, gradients by value_and_grad, buffers donated.

The data set lives on the device and each batch is gathered within the scan.
"""

import os
from typing import Any

import numpy as np

from benchmarks.peers.work import EPS, LR, Absent, Arrays, Peer, Work, suffixes


def scan(work: Work, steps: int) -> Peer:
    """Raises Absent without JAX."""
    jax = import_jax()
    jnp, model, pool = jax.numpy, work.model, len(work.rows)
    inputs = jnp.asarray(work.inputs.astype(np.int32))
    targets = jnp.asarray(work.targets.astype(np.int32))
    rows = jnp.asarray(work.rows.astype(np.int32))

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        h = params["C"][x].reshape(x.shape[0], -1)
        means, variances = {}, {}
        for layer, suffix in enumerate(suffixes(model), 1):
            hprebn = h @ params[f"W{layer}"] + params[f"b{layer}"]
            mean, var = hprebn.mean(0, keepdims=True), hprebn.var(0, keepdims=True, ddof=1)
            bnraw = (hprebn - mean) * jax.lax.rsqrt(var + EPS)
            h = jnp.tanh(params[f"bngain{suffix}"] * bnraw + params[f"bnbias{suffix}"])
            means[f"bnmean_running{suffix}"], variances[f"bnvar_running{suffix}"] = mean, var
        last = model.n_layer + 1
        logprobs = jax.nn.log_softmax(h @ params[f"W{last}"] + params[f"b{last}"])
        chosen = jnp.take_along_axis(logprobs, y[:, None], axis=1)
        return -chosen.mean(), means | variances

    def step(carry: Any, ix: Any) -> Any:
        params, state = carry
        gradients = jax.value_and_grad(loss_of, has_aux=True)
        (loss, batch), grads = gradients(params, inputs[ix], targets[ix])
        params = {name: value - LR * grads[name] for name, value in params.items()}
        momentum = model.momentum
        state = {name: old + momentum * (batch[name] - old) for name, old in state.items()}
        return (params, state), loss

    def block(carry: Any, first: Any) -> Any:
        chosen = jax.lax.dynamic_slice_in_dim(rows, first % pool, steps)
        return jax.lax.scan(step, carry, chosen)

    call = jax.jit(block, donate_argnums=0)
    carry = jax.tree.map(jnp.array, (work.params, work.state))

    def run(first: int) -> float:
        nonlocal carry
        carry, losses = call(carry, first)
        return float(losses[-1])

    def values() -> Arrays:
        return {name: np.array(value) for half in carry for name, value in half.items()}

    return Peer(run, values)


def import_jax() -> Any:
    """Return JAX for the CPU. Raises Absent without it."""
    # CPU only: a JAX that looks for accelerators starts slowly and warns
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    try:
        import jax
    except ImportError as error:
        raise Absent("JAX is not installed: pip install 'handgrad[bench]'") from error
    return jax
