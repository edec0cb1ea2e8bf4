"""EEmicroGPT, compiled from its one C file, which the user has: microseconds per step, losses."""

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

FLAGS = ("-w", "-O3", "-march=native", "-ffast-math")
TIMER = """\
#include <stdint.h>
#include <time.h>
typedef struct { uint32_t numer, denom; } mach_timebase_info_data_t;
static inline int mach_timebase_info(mach_timebase_info_data_t *t) {
    t->numer = t->denom = 1;
    return 0;
}
static inline uint64_t mach_absolute_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}
"""
"""Apple's timer, which the file uses, by POSIX's."""
NEON = """\
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/arm/neon.h>
#ifndef __aarch64__
#include <string.h>
#include <xmmintrin.h>
#define BY_SSE(name, operation) \\
    static inline float32x4_t name(float32x4_t a, float32x4_t b) { \\
        __m128 x, y; \\
        memcpy(&x, &a, 16); \\
        memcpy(&y, &b, 16); \\
        x = operation; \\
        memcpy(&a, &x, 16); \\
        return a; \\
    }
BY_SSE(sse_divide, _mm_div_ps(x, y))
BY_SSE(sse_root, _mm_sqrt_ps(x))
#ifndef vfmsq_f32
#define vfmsq_f32(a, b, c) vfmaq_f32(a, vnegq_f32(b), c)
#endif
#ifndef vsqrtq_f32
#define vsqrtq_f32(a) sse_root(a, a)
#endif
#ifndef vdivq_f32
#define vdivq_f32(a, b) sse_divide(a, b)
#endif
#endif
"""
"""NEON on other processors; what older versions of SIMDe lack is added."""


@dataclass(frozen=True)
class Ran:
    """One run of the program."""

    microseconds: float
    """Per step, without drawing the batch."""
    losses: dict[int, tuple[float, float]]
    """Step -> mean training loss of the last 100 steps, seconds since the start."""


def compiled(source: Path, folder: Path, **macros: float) -> Path:
    """Return the program, compiled with these macros. Raises RuntimeError if that fails."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise RuntimeError("eemicrogpt.c needs a C compiler")
    (folder / "mach").mkdir(exist_ok=True)
    (folder / "mach/mach_time.h").write_text(TIMER)
    if platform.machine() not in ("arm64", "aarch64"):
        (folder / "arm_neon.h").write_text(NEON)
    name = "_".join(f"{key}{value:g}" for key, value in macros.items())
    program = folder / f"ee_{name}"
    defined = [
        f"-D{key}={value}f" if isinstance(value, float) else f"-D{key}={value}"
        for key, value in macros.items()
    ]
    command = [compiler, *FLAGS, f"-I{folder}", *defined, str(source), "-o", str(program), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "error" in line]
        raise RuntimeError(f"eemicrogpt.c: {said[0] if said else done.stderr.strip()}")
    return program


def ran(program: Path, words: Path) -> Ran:
    """Run the program on `words`, which it reads as names.txt in its folder."""
    there = program.parent / "names.txt"
    if not there.exists():
        shutil.copy(words, there)
    shown = subprocess.run(
        [str(program)], cwd=program.parent, capture_output=True, text=True, check=True
    ).stdout
    parts = re.findall(r"(?:Forward|Backward|Adam):.*\(\s*([\d.]+) us/step", shown)
    rows = re.findall(r"Step\s+(\d+)\s+avg_loss\(100\)=([\d.]+)\s+elapsed=(\d+)ms", shown)
    losses = {int(step): (float(loss), int(ms) / 1000) for step, loss, ms in rows}
    return Ran(sum(map(float, parts)), losses)
