"""A course of two small lessons, with the site's own templates, and a run of it that nobody had to wait for."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from autograder.curriculum import Curriculum, load
from autograder.notebook import read
from autograder.site.running import Output, Run

REPOSITORY = Path(__file__).resolve().parents[2]

HEADER = """\
# ---
# jupyter:
#   kernelspec: {{display_name: Python 3, language: python, name: python3}}
#   fathom:
#     number: {number}
#     title: {title}
#     question: "{question}"
#     hours: {hours}
#     track: {track}
#     week: 1
#     needs: {needs}
#     sources: ["A paper, section 2"]
#     alone: []
#     from_scratch: []
# ---
"""

SUMS = '''
# %% [markdown]
# # Sums
#
# A sum $s = a + b$, and then:
# - first
#   - nested
# - second

# %%
from autograder import check, aha

# %% nbgrader={"grade_id": "both", "solution": true}
class Both:
    """Two numbers."""

    def __init__(self, a, b):
        self.a, self.b = a, b

    def total(self):
        """Return a + b."""
        ### BEGIN SOLUTION
        return self.a + self.b
        ### END SOLUTION

    def ratio(self):
        """Return a / b."""
        ### BEGIN SOLUTION ratio
        return self.a / self.b
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-total", "grade": true, "points": 1}
check("total")

# %% [markdown]
# $$\\frac{a}{b}$$
#
# **Predict.** What is 3 + 4?

# %%
print("seven", Both(3, 4).total())

# %% [markdown]
# And without a guess:

# %%
print("outright")

# %% nbgrader={"grade_id": "check-ratio", "grade": true, "points": 2}
check("ratio")

# %%
aha("")
'''

PARTS = """\
[total]
title = "The total"
hints = ["Think.", "Think of plus.", "Both numbers, one sign."]

[ratio]
title = "The ratio"
needs = ["total"]
hints = ["Think.", "Which one is below?", "The first per the second."]
"""

BUGS = '''\
[[bug]]
id = "difference"
part = "total"
misconception = "A total takes away."
symptom = "Totals are small."
find = "return self.a + self.b"
replace = "return self.a - self.b"
question = "What does a sum do?"

[[bug]]
id = "upside-down"
part = "ratio"
misconception = "The second comes first."
symptom = "Ratios are upside down."
find = """
        return self.a / self.b"""
replace = """
        top = self.b
        return top / self.a"""
question = "Which per which?"
effect = "crash"
'''

MORE = """
# %% [markdown]
# # More
#
# Builds on [sums](../phase1_foundations/01_sums.ipynb).

# %% nbgrader={"grade_id": "twice", "solution": true}
def twice(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% nbgrader={"grade_id": "check-twice", "grade": true, "points": 1}
check("twice")
"""

MORE_PARTS = """\
[twice]
title = "Twice"
hints = ["One.", "Two.", "Twice."]
"""


def written(root: Path) -> Path:
    """A repository of the two lessons, with the templates of the site."""
    sums = HEADER.format(number=1, title="Sums", question="What is a | sum?", hours=1.5, track="core", needs="[]")
    more = HEADER.format(number=2, title="More", question="And then?", hours=2, track="breadth", needs="[sums]")
    files = {
        "solutions/phase1_foundations/sums/exercise.py": sums + SUMS,
        "solutions/phase1_foundations/sums/parts.toml": PARTS,
        "solutions/phase1_foundations/sums/bugs.toml": BUGS,
        "solutions/phase2_llm_projects/more/exercise.py": more + MORE,
        "solutions/phase2_llm_projects/more/parts.toml": MORE_PARTS,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "autograder" / "checks").mkdir(parents=True)
    shutil.copytree(REPOSITORY / "site", root / "site", ignore=shutil.ignore_patterns("build"))
    vendor = REPOSITORY / ".fathom" / "vendor"
    if vendor.is_dir():
        shutil.copytree(vendor, root / ".fathom" / "vendor")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.fixture
def course(root: Path) -> Curriculum:
    return load(root)


@pytest.fixture
def run(course: Curriculum, tmp_path: Path) -> Run:
    """What the first lesson would show, made up."""
    prints = [cell.index for cell in read(course.exercise("sums").source) if cell.source.startswith("print")]
    shown = [Output("text", "seven 7\n"), Output("picture", "A [line]; rising", "01.png", 640, 320)]
    return Run(
        tmp_path,
        {prints[0]: tuple(shown), prints[1]: (Output("text", "outright\n"), Output("error", "ValueError: no"))},
    )


class Settings(yaml.SafeLoader):
    """YAML with MkDocs' own tags left out."""


Settings.add_multi_constructor("!", lambda loader, suffix, node: None)


@pytest.fixture(scope="session")
def html() -> Callable[[str], str]:
    """Render Markdown as the site does, with the extensions of site/mkdocs.yml."""
    markdown = pytest.importorskip("markdown")
    settings = yaml.load((REPOSITORY / "site" / "mkdocs.yml").read_text(encoding="utf-8"), Settings)
    names: list[str] = []
    options: dict[str, Any] = {}
    for entry in settings["markdown_extensions"]:
        names += [entry] if isinstance(entry, str) else entry
        options |= {} if isinstance(entry, str) else entry

    def rendered(text: str) -> str:
        body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)  # MkDocs takes a page's settings off first
        return str(markdown.markdown(body, extensions=names, extension_configs=options))

    return rendered
