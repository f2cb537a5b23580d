"""Run a solved notebook from top to bottom, as a learner's Jupyter would; again only when its source has changed."""

from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path

from autograder.curriculum import Exercise

# The most processor time that a solved notebook's kernel may take: 15 s on two cores. A busy machine stretches the time
# on the clock much more than this, and must not change the verdict.
SECONDS = 30.0
DEADLINE = 300  # seconds for one cell, so that a loop without an end is a finding and not a wait


def troubles(exercise: Exercise) -> list[str]:
    """What goes wrong in the solved notebook; nothing where this very source has run before."""
    stamp = exercise.root / ".fathom" / "executed" / f"{exercise.name}-{digest(exercise)}"
    if stamp.exists():
        return []
    found = run(exercise)
    if not found:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        for old in stamp.parent.glob(f"{exercise.name}-*"):
            old.unlink()
        stamp.touch()
    return found


def digest(exercise: Exercise) -> str:
    """A hash of what the solved notebook shows."""
    state = hashlib.sha256()
    for path in (exercise.source, exercise.checks, exercise.folder / "bugs.toml"):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def run(exercise: Exercise) -> list[str]:
    """Execute the solved notebook in a kernel of its own and say which cells failed, or that it took too long."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    from autograder.notebook.build import solved

    notebook = nbformat.from_dict(solved(exercise))  # type: ignore[no-untyped-call]
    package = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "FATHOM_ROOT": str(exercise.root), "MPLBACKEND": "agg", "FATHOM_LOG": "off"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(package), os.environ.get("PYTHONPATH"))))
    client = NotebookClient(
        notebook,
        timeout=DEADLINE,
        kernel_name="python3",
        resources={"metadata": {"path": "."}},
        extra_arguments=["--log-level=ERROR"],  # it would warn of its local sockets
    )
    began = processor_seconds()
    try:
        client.execute(env=environment)
    except CellExecutionError:
        pass  # what failed stands in the cell
    except (CellTimeoutError, DeadKernelError) as error:
        return [f"the solved notebook does not run: {str(error).strip().splitlines()[-1][:300]}"]
    took = processor_seconds() - began
    failed = [
        f"cell {cell['id']} of the solved notebook ends in {output['ename']}: {output['evalue'][:200]}"
        for cell in notebook["cells"]
        for output in cell.get("outputs", ())
        if output["output_type"] == "error"
    ]
    if took > SECONDS and not failed:
        return [f"the solved notebook computes for {took:.0f} s; at most {SECONDS:.0f} are wanted"]
    return failed


def processor_seconds() -> float:
    """Processor time of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
