"""The first cell of a lesson that runs for the site: nothing is graded or logged, figures tell what they show."""

import contextlib
import io
from types import SimpleNamespace
from typing import Any

import autograder


def _nothing(*_: Any, **__: Any) -> None:
    """In the place of what would grade, log or ask."""


def _reference(name: str) -> Any:
    """`carry` for the site: always the reference, whatever a learner has done."""
    from autograder import curriculum
    from autograder.kernel.carrying import carried

    course = curriculum.load(curriculum.find_root())
    with contextlib.redirect_stdout(io.StringIO()):  # it says whose code it is, which here goes without saying
        return carried(SimpleNamespace(course=course, passed=lambda _: frozenset()), name)


for _name, _stand_in in {"aha": _nothing, "check": _nothing, "hint": _nothing, "carry": _reference}.items():
    setattr(autograder, _name, _stand_in)


def _words(figure: Any) -> str:
    """What a figure shows, for those who cannot see it: its titles, else the names of its axes."""
    above = getattr(figure, "_suptitle", None)
    titles = [above.get_text()] if above is not None else []
    titles += [ax.get_title() for ax in figure.axes]
    labels = [f"{ax.get_ylabel()} over {ax.get_xlabel()}" for ax in figure.axes if ax.get_xlabel() and ax.get_ylabel()]
    found = dict.fromkeys(" ".join(text.split()) for text in (titles if any(titles) else labels) if text.strip())
    return "; ".join(found)


def _picture(figure: Any) -> Any:
    """A figure as a PNG of twice the resolution with its size and words beside it; None for an empty one."""
    from IPython.core.pylabtools import retina_figure

    made = retina_figure(figure, base64=True)  # type: ignore[no-untyped-call]
    return made and (made[0], {**made[1], "alt": _words(figure)})


def _draw_for_the_site(*_: Any) -> None:
    """Let figures go out as `_picture` makes them; again before every cell, as lessons choose formats too."""
    shell = get_ipython()  # type: ignore[name-defined]  # noqa: F821
    shell.display_formatter.formatters["image/svg+xml"].pop(Figure, None)
    shell.display_formatter.formatters["image/png"].for_type(Figure, _picture)


try:
    import matplotlib.pyplot
    from matplotlib.figure import Figure
except ImportError:  # a lesson without figures needs none
    pass
else:
    matplotlib.pyplot.switch_backend(matplotlib.rcParams["backend"])  # or the first figure would reset the formats
    get_ipython().events.register("pre_run_cell", _draw_for_the_site)  # type: ignore[name-defined]  # noqa: F821
