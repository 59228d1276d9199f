"""Another machine on this one: numpy and the C library without this processor's vector code."""

import os
import subprocess
import sys
from pathlib import Path

from numpy._core import _multiarray_umath as umath

_TESTS = Path(__file__).resolve().parent


def on_a_plain_processor(code: str, *arguments: str) -> str:
    """Run Python code in a process of its own; what it prints."""
    have = [name for name in umath.__cpu_dispatch__ if umath.__cpu_features__.get(name)]
    assert have, "numpy dispatches nothing here, so this proves nothing"
    plain = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(have),
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX512F,-FMA",
        "PYTHONPATH": f"{_TESTS.parent}:{_TESTS}",
    }
    check = (
        "from numpy._core import _multiarray_umath as umath;"
        f"assert not any(umath.__cpu_features__[name] for name in {have!r});"
    )
    done = subprocess.run(
        [sys.executable, "-c", check + code, *arguments],
        env=os.environ | plain, text=True, capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()
