"""Count the random forward passes for which `handgrad derive` writes a correct backward pass.

    python -m benchmarks.derived [N] [--fused]

Takes the first N passes of benchmarks.proving.correct (200) and prints each one that is not derived
completely, exact or within rounding.
"""

import ast
import sys
from collections import Counter

import torch

from benchmarks.proving.correct import correct
from handgrad.checker.session import Session
from handgrad.checker.write.derive.derive import choose_pass, derive_pass
from handgrad.checker.write.derive.records import Derivation


def derived(seed: int, fused: bool) -> Derivation:
    """Return the derivation of the random pass number `seed` without its backward lines."""
    given = correct(seed)
    source = given.source.partition("loss.backward()\n")[0] + "loss.backward()\n"
    session = Session()
    space = {**given.names(), "__name__": "__main__", "__handgrad__": session.hook}
    tree = session.transform(ast.parse(source), None, source)
    with session.recording():
        exec(compile(tree, "correct.py", "exec"), space)
    with torch._C.DisableTorchFunction(), torch.enable_grad():
        return derive_pass(choose_pass(session.recorder.trace, "correct.py"), "correct.py", fused)


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    n, fused, right = numbers[0] if numbers else 200, "--fused" in sys.argv, 0
    verdicts: Counter[str] = Counter()
    for seed in range(n):
        found = derived(seed, fused)
        right += found.ok
        verdicts.update(gradient.verdict or "not derived" for gradient in found.gradients)
        if not found.ok:
            print(f"{seed}: {found.summary()} {[step.why for step in found.missing]}")
    print(f"{right} of {n} passes completely right; gradients: {dict(verdicts)}")


if __name__ == "__main__":
    main()
