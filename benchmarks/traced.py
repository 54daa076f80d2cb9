"""`manage.py serve` under tracemalloc: on SIGUSR1 it writes beside its log what it holds, by line of code."""

import gc
import json
import os
import runpy
import signal
import sys
import tracemalloc
from pathlib import Path
from typing import Any


def report(*_: Any) -> None:
    """Writes it down."""
    gc.collect()
    found = {}
    for stat in tracemalloc.take_snapshot().statistics("lineno"):
        line = stat.traceback[0]
        found[f"{line.filename.removeprefix(f'{Path.cwd()}/')}:{line.lineno}"] = (stat.size, stat.count)
    path = Path(os.environ["AVCHAT_VAR"]) / "traced.json"
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(found))
    draft.rename(path)


signal.signal(signal.SIGUSR1, report)
sys.argv[0] = "manage.py"
runpy.run_path("manage.py", run_name="__main__")
