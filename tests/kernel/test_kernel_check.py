"""`check` in a live kernel: five outcomes, and everything that learners do to kernels."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kernels import Kernel, attempts, copy, gone, processes, sources, tally, until

ANSWERS = {
    "passed": "def halvings(n):\n    return n.bit_length() - 1\n",
    "failed": "def halvings(n):\n    return n.bit_length()\n",
    "crashed": "def halvings(n):\n    return 1 / 0\n",
    "timed_out": "def halvings(n):\n    while n >= 0:\n        n //= 2\n",
    "not_started": "def halvings(n):\n    raise NotImplementedError\n",
}
FIRST = "from autograder import aha, carry, check, hint, look, method, palette\nimport math, torch"


@pytest.fixture(scope="module")
def live(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for the tests that leave it as they found it."""
    root = copy(template, tmp_path_factory.mktemp("live") / "course")
    made = Kernel(root, tally(root).notebook)
    made.run(FIRST, "tally-1")
    yield made
    made.stop()


@pytest.mark.parametrize("outcome", ANSWERS)
def test_each_outcome_is_shown_without_traceback_or_stderr(live: Kernel, outcome: str) -> None:
    live.run(ANSWERS[outcome], "halvings")
    shown = live.run('check("halvings")', "check-halvings")
    assert shown.stderr == ""
    assert outcome.replace("_", " ") in shown.text or outcome in ("passed", "not_started")
    assert "Halving" in shown.html
    assert shown.error == (None if outcome == "passed" else "CheckFailed")
    assert "File" not in shown.traceback
    assert "Traceback" not in shown.traceback
    assert not [out for out in shown if out.get("execution_count")], "check returns nothing"


def test_a_misconception_is_named(live: Kernel) -> None:
    live.run(ANSWERS["failed"], "halvings")
    shown = live.run('check("halvings")', "check-halvings")
    assert "Counting begins at one." in shown.html
    assert "How many rounds has nobody run?" in shown.html


def test_arrays_come_with_a_picture_and_scripts_stay_text(live: Kernel) -> None:
    live.run("def running(values):\n    return values * 2", "running")
    shown = live.run('check("running")', "check-running")
    assert "<svg" in shown.html
    live.run("def halvings(n):\n    print('<script>alert(1)</script>')\n    return '<img src=x>'", "halvings")
    shown = live.run('check("halvings")', "check-halvings")
    assert "<script" not in shown.html
    assert "<img src=x" not in shown.html
    assert "&lt;script&gt;" in shown.html


def test_a_check_before_its_cell_says_which_cell_to_run(kernel: Callable[..., Kernel], root: Path) -> None:
    notebook = kernel(root, tally(root).notebook)
    notebook.run(FIRST, "tally-1")
    shown = notebook.run('check("halvings")', "check-halvings")
    assert shown.error == "CheckFailed"
    assert "`halvings` is not defined in this kernel yet" in shown.html
    answers = sources(tally(root), right=True)
    notebook.run("class Tally: pass", "scratch")
    notebook.run(answers["mean"], "mean")
    shown = notebook.run('check("mean")', "check-mean")
    assert "has not run add yet" in shown.html
    assert "update" not in shown.html


def test_cells_that_ran_out_of_order_are_graded_in_the_order_of_the_lesson(
    kernel: Callable[..., Kernel], root: Path
) -> None:
    notebook = kernel(root, tally(root).notebook)
    answers = sources(tally(root), right=True)
    notebook.run("from autograder import check, method")
    assert notebook.run(answers["mean"], "mean").error == "NameError"
    notebook.run(answers["tally"], "tally")
    assert notebook.run('check("mean")', "check-mean").error is None


def test_a_name_redefined_in_a_scratch_cell_changes_nothing_and_is_mentioned(live: Kernel) -> None:
    live.run(ANSWERS["passed"], "halvings")
    live.run(ANSWERS["failed"], "an-experiment")
    shown = live.run('check("halvings")', "check-halvings")
    assert shown.error is None
    assert "only cell halvings counts" in shown.html
    live.run("pass", "an-experiment")
    assert "only cell" not in live.run('check("halvings")', "check-halvings").html


def test_an_unknown_part_and_a_part_that_is_no_text_are_answered_with_a_sentence(live: Kernel) -> None:
    shown = live.run('check("halfings")')
    assert shown.error == "NotJudged"
    assert "did you mean 'halvings'?" in shown.traceback
    assert "as text" in live.run("check(check)").traceback


def test_an_endless_loop_costs_seconds_and_not_the_kernel(live: Kernel) -> None:
    live.run(ANSWERS["timed_out"] + "x = 41", "halvings")
    began = time.monotonic()
    assert live.run('check("halvings")', "check-halvings").error == "CheckFailed"
    assert time.monotonic() - began < 30
    assert "42" in live.run("x + 1").text


def test_an_interrupted_check_leaves_kernel_and_judge_usable(live: Kernel) -> None:
    slow = "import time\ndef halvings(n):\n    time.sleep(0.45)\n    return 0\n"
    live.run(slow, "halvings")
    judges = processes(live.root)
    for _ in range(3):
        request = live.send('check("halvings")', "check-halvings")
        time.sleep(0.3)
        live.manager.interrupt_kernel()
        shown = live.outputs(request)
        assert shown.error == "Interrupted"
        assert "nothing was judged" in shown.traceback
        assert shown.stderr == ""
    live.run(ANSWERS["passed"], "halvings")
    shown = live.run('check("halvings")', "check-halvings")
    assert shown.error is None
    assert "4 checks" in shown.html or "2 checks" in shown.html
    assert judges[0] in processes(live.root), "the judge is still the same"


def test_a_judge_that_was_killed_is_started_again(live: Kernel) -> None:

    live.run(ANSWERS["passed"], "halvings")
    old = processes(live.root)[0]
    os.kill(old, signal.SIGKILL)
    assert live.run('check("halvings")', "check-halvings").error is None
    assert processes(live.root)[0] != old


def test_restarting_and_ending_a_kernel_leave_no_process(kernel: Callable[..., Kernel], root: Path) -> None:
    notebook = kernel(root, tally(root).notebook)
    notebook.run(FIRST, "tally-1")
    notebook.run(ANSWERS["timed_out"], "halvings")
    notebook.run('check("halvings")', "check-halvings")
    notebook.send('check("halvings")', "check-halvings")  # and in the middle of one
    first = until(lambda: processes(root))
    notebook.restart()
    until(lambda: gone(first), 30)
    assert not processes(root)
    notebook.run(FIRST + "\n" + ANSWERS["passed"], "tally-1")
    assert notebook.run('check("halvings")').error is None
    second = processes(root)
    assert second
    notebook.manager.signal_kernel(9)
    until(lambda: gone(second), 30)


def test_two_kernels_on_one_notebook_do_not_meet(kernel: Callable[..., Kernel], root: Path) -> None:
    one, other = (kernel(root, tally(root).notebook) for _ in range(2))
    for notebook in (one, other):
        notebook.run(FIRST, "tally-1")
    one.run(ANSWERS["passed"], "halvings")
    other.run(ANSWERS["failed"], "halvings")
    requests = [notebook.send('check("halvings")') for notebook in (one, other)]
    assert [one.outputs(requests[0]).error, other.outputs(requests[1]).error] == [None, "CheckFailed"]


def test_attempts_are_logged_once_a_state_and_never_off_the_learners_own_notebook(
    kernel: Callable[..., Kernel], root: Path
) -> None:
    notebook = kernel(root, tally(root).notebook)
    notebook.run(FIRST, "tally-1")
    notebook.run(ANSWERS["failed"], "halvings")
    for _ in range(3):
        notebook.run('check("halvings")')
    logged = attempts(root)
    assert [attempt["source"] for attempt in logged] == ["notebook"]
    assert logged[0]["bugs"] == {"halvings": "starts-at-one"}
    notebook.run("import os; os.environ['FATHOM_LOG'] = 'off'")
    notebook.run(ANSWERS["passed"], "halvings")
    assert notebook.run('check("halvings")').error is None
    foreign = kernel(root, root / "autograded" / "ada" / tally(root).notebook.name)
    foreign.run(FIRST + "\n" + ANSWERS["passed"])
    assert foreign.run('check("halvings")').error is None
    assert len(attempts(root)) == 1


def test_a_log_that_cannot_be_written_costs_a_warning_and_no_verdict(kernel: Callable[..., Kernel], root: Path) -> None:
    (root / "progress_log").write_text("a file in the way")
    notebook = kernel(root, tally(root).notebook)
    notebook.run(FIRST + "\n" + ANSWERS["passed"], "halvings")
    shown = notebook.run('check("halvings")')
    assert shown.error is None
    assert "not recorded" in shown.html
    assert shown.stderr == ""


def test_checks_that_cannot_be_collected_give_a_sentence(kernel: Callable[..., Kernel], root: Path) -> None:
    (root / "autograder" / "checks" / "phase1_foundations" / "test_tally.py").write_text("import nothing_like_this")
    notebook = kernel(root, tally(root).notebook)
    notebook.run(FIRST + "\n" + ANSWERS["passed"], "halvings")
    shown = notebook.run('check("halvings")')
    assert shown.error == "NotJudged"
    assert "fathom check" in shown.traceback


def test_importing_check_loads_no_torch_and_takes_no_second(kernel: Callable[..., Kernel], root: Path) -> None:
    notebook = kernel(root, tally(root).notebook)
    code = "import time, sys; t = time.perf_counter(); from autograder import check; print(time.perf_counter() - t)"
    assert float(notebook.run(code, "tally-1").text) < 2.0
    shown = notebook.run("print([name for name in ('torch', 'pytest', 'matplotlib.pyplot') if name in sys.modules])")
    assert shown.text.strip() == "[]"
    assert until(lambda: processes(root)), "the judge starts with the import"


def test_outside_a_repository_nothing_breaks_on_import(
    kernel: Callable[..., Kernel], root: Path, tmp_path: Path
) -> None:
    notebook = kernel(root, None, FATHOM_ROOT=str(tmp_path / "nowhere"))
    assert notebook.run(FIRST).error is None
    shown = notebook.run('check("halvings")')
    assert shown.error == "NotJudged"
    assert "FATHOM_ROOT" in shown.traceback


def test_a_renamed_notebook_is_known_by_what_the_build_wrote_and_is_still_the_learners(
    kernel: Callable[..., Kernel], root: Path
) -> None:
    renamed = tally(root).notebook.rename(tally(root).notebook.with_name("meine Übung.ipynb"))
    notebook = kernel(root, renamed)
    notebook.run(FIRST + "\n" + ANSWERS["passed"], "halvings")
    assert notebook.run('check("halvings")').error is None
    assert len(attempts(root)) == 1


def test_vs_code_calls_cells_by_addresses_and_the_notebook_by_a_variable(
    kernel: Callable[..., Kernel], root: Path
) -> None:
    path = tally(root).notebook
    notebook = kernel(root, None)
    notebook.run(f"__vsc_ipynb_file__ = {str(path)!r}")
    cell = f"vscode-notebook-cell:{path}#"
    notebook.run(FIRST, cell + "W0sZmlsZQ%3D%3D")
    notebook.run(ANSWERS["failed"], cell + "W1sZmlsZQ%3D%3D")
    notebook.run(ANSWERS["passed"], cell + "W1sZmlsZQ%3D%3D")
    notebook.run(ANSWERS["crashed"], cell + "W9sZmlsZQ%3D%3D")  # an experiment further down
    assert notebook.run('check("halvings")', cell + "W2sZmlsZQ%3D%3D").error is None
    assert len(attempts(root)) == 1


def test_at_a_terminal_the_verdict_is_plain_text_and_the_latest_definition_counts(root: Path) -> None:
    typed = f"{FIRST}\n{ANSWERS['failed']}\n\ncheck('halvings')\n{ANSWERS['passed']}\n\ncheck('halvings')\n"
    environment = {**os.environ, "FATHOM_ROOT": str(root), "TERM": "dumb"}
    environment.pop("JPY_SESSION_NAME", None)
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"]
    done = subprocess.run(
        command, input=typed, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert "looks like: starts-at-one" in done.stdout
    assert "halvings failed: 0 of 1 point" in done.stdout
    assert "✓ halvings" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "<div" not in done.stdout


def test_in_plain_python_the_notebook_is_graded_as_it_is_saved(root: Path) -> None:
    code = "from autograder import check\ncheck('halvings')"
    environment = {**os.environ, "FATHOM_ROOT": str(root)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "still to be written" in done.stdout
    assert "CheckFailed: halvings not started" in done.stderr
