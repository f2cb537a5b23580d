"""`palette()`: the colours of the lessons' figures, and figures that suit a light page, a dark one and paper."""

from __future__ import annotations

from autograder.render.colours import COLOURS, Colours


def palette() -> Colours:
    """Return the colours, and have matplotlib draw in ink on nothing: `INK, BLUE, ORANGE, GREEN, *_ = palette()`.

    Only how figures look is set: sizes, fonts and what you set afterwards stay yours.
    """
    import matplotlib.pyplot as plt
    from cycler import cycler

    ink = COLOURS.INK
    plt.rcParams.update(dict.fromkeys(["figure.facecolor", "axes.facecolor", "savefig.facecolor"], "none"))
    plt.rcParams.update(dict.fromkeys(["text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor"], ink))
    plt.rcParams.update(dict.fromkeys(["xtick.color", "ytick.color", "grid.color"], ink))
    plt.rcParams.update(dict.fromkeys(["axes.spines.top", "axes.spines.right", "legend.frameon"], False))
    lines = [COLOURS.BLUE, COLOURS.ORANGE, COLOURS.GREEN, COLOURS.PURPLE, COLOURS.GOLD, COLOURS.RED]
    plt.rcParams.update({"axes.prop_cycle": cycler(color=lines), "figure.dpi": 110, "axes.titlesize": "medium"})
    return COLOURS
