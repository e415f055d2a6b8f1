"""How long `import rushlight` takes, beside `import numpy` alone.

Fresh processes, alternated, each timing its own import; medians. The bound is 1.3.
Usage: python bench/importing.py [PAIRS]
"""

import json
import os
import platform
import subprocess
import sys
from statistics import median

BOUND = 1.3
PROGRAM = "from time import perf_counter as now; t = now(); import {}; print(now() - t)"


def seconds(module: str) -> float:
    """The time that a fresh process takes for one import."""
    command = [sys.executable, "-c", PROGRAM.format(module)]
    # a setting that forbids bytecode would time the compiling of our files beside numpy's bytecode
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return float(done.stdout)


def measure(pairs: int) -> dict[str, float]:
    """Medians of both imports in milliseconds, and their ratio."""
    seconds("numpy"), seconds("rushlight")  # bytecode is written, files are in memory
    times = [(seconds("numpy"), seconds("rushlight")) for _ in range(pairs)]
    numpy_s, rushlight_s = (median(column) for column in zip(*times, strict=True))
    return {
        "numpy_ms": round(1000 * numpy_s, 2),
        "rushlight_ms": round(1000 * rushlight_s, 2),
        "ratio": round(rushlight_s / numpy_s, 3),
        "bound": BOUND,
    }


if __name__ == "__main__":
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
    print(json.dumps({"python": platform.python_version(), **result}))
    sys.exit(result["ratio"] > BOUND)
