"""Training steps of JAX: one jitted lax.scan over several steps, AdamW included."""

from typing import Any

import numpy as np

from benchmarks.models.jax_forward import loss_of
from benchmarks.models.work import HYPER, Run, Work, schedule
from benchmarks.peers.jax_scan import import_jax
from handgrad.optim.optimizers import is_matrix


def scan(work: Work) -> Run:
    """Raises Absent without JAX."""
    jax = import_jax()
    jnp, model = jax.numpy, work.model
    inputs, targets = (jnp.asarray(x.astype(np.int32)) for x in (work.inputs, work.targets))
    gradients = jax.value_and_grad(lambda *x: loss_of(jax, model, *x), has_aux=True)

    def step(carry: Any, batch: Any) -> Any:
        (p, state, first, second), (rows, rates) = carry, batch
        lr, bias1, root_bias2 = rates
        (loss, state), grads = gradients(p, state, inputs[rows], targets[rows])
        first = {n: HYPER.beta1 * first[n] + (1 - HYPER.beta1) * x for n, x in grads.items()}
        second = {n: HYPER.beta2 * second[n] + (1 - HYPER.beta2) * x * x for n, x in grads.items()}

        def updated(name: str, value: Any) -> Any:
            kept = 1 - lr * HYPER.weight_decay if is_matrix(value.shape) else 1
            denominator = jnp.sqrt(second[name]) / root_bias2 + HYPER.eps
            return kept * value - lr / bias1 * first[name] / denominator

        return ({name: updated(name, x) for name, x in p.items()}, state, first, second), loss

    call = jax.jit(
        lambda carry, rows, rates: jax.lax.scan(step, carry, (rows, rates)), donate_argnums=0
    )
    zeros = [{n: jnp.zeros(x.shape, jnp.float32) for n, x in work.params.items()} for _ in "12"]
    carry = (*jax.tree.map(jnp.array, (work.params, work.state)), *zeros)

    def run(at: int, steps: int) -> float:
        nonlocal carry
        rates = schedule(at, steps).astype(np.float32)
        carry, losses = call(carry, work.rows(at, steps).astype(np.int32), rates)
        return float(losses[-1])

    return run
