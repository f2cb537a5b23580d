"""The lesson's template miner beside drain3, by grouping accuracy on Loghub's labelled lines, and its LSTM beside torch's."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

torch = pytest.importorskip("torch")

from autograder.curriculum import load  # noqa: E402
from autograder.judge.submission import reference  # noqa: E402
from autograder.kernel.carrying import made  # noqa: E402
from phase3_apply.anomaly import release_log  # noqa: E402
from phase3_apply.anomaly.sessions import grouping_accuracy  # noqa: E402

DATA = os.environ.get("FATHOM_DATA", "")
SYSTEMS = {"HDFS": 0.99, "BGL": 0.96, "OpenSSH": 0.78}  # the least that ours must reach


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    course = load(Path(__file__).parents[2])
    earlier = made("recurrent_nets", reference(course.exercise("recurrent_nets")))
    with patch("autograder.carry", lambda name: earlier):
        return made("log_anomaly", reference(course.exercise("log_anomaly")))


def theirs(lesson: ModuleType, texts: list[str]) -> list[int]:
    """The groups that drain3 makes of the same masked lines, with the same threshold and depth."""
    drain3 = pytest.importorskip("drain3")
    config = pytest.importorskip("drain3.template_miner_config").TemplateMinerConfig()
    config.drain_sim_th, config.drain_depth, config.drain_max_children = 0.5, 4, 10_000
    miner = drain3.TemplateMiner(config=config)
    groups = []
    for text in texts:
        answer: Any = miner.add_log_message(" ".join(lesson.mask(text)[0]) or "(empty)")
        groups.append(int(re.sub(r"\D", "", str(answer["cluster_id"]))))
    return groups


@pytest.mark.parametrize("system", SYSTEMS)
def test_templates_of_real_logs_beside_drain3(lesson: ModuleType, system: str) -> None:
    place = Path(DATA, "loghub", f"{system}_2k.log_structured.csv")
    if not DATA or not place.exists():
        pytest.skip("FATHOM_DATA names no folder with Loghub's labelled lines")
    with place.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts, truth = [row["Content"] for row in rows], [row["EventId"] for row in rows]
    miner = lesson.Miner(0.5, 2)
    ours = grouping_accuracy([miner.key(lesson.mask(text)[0]) for text in texts], truth)
    assert ours >= SYSTEMS[system]
    assert ours >= grouping_accuracy(theirs(lesson, texts), truth) - 0.02


def test_templates_of_the_release_log_beside_drain3(lesson: ModuleType) -> None:
    texts = [line.split(" ", 2)[2] for line in release_log(days=6)[0]]
    miner = lesson.Miner(0.5, 2)
    ours = [miner.key(lesson.mask(text)[0]) for text in texts]
    assert grouping_accuracy(ours, [str(group) for group in theirs(lesson, texts)]) > 0.99


def test_grouping_accuracy_is_strict() -> None:
    truth = ["a", "a", "b", "b", "c"]
    assert grouping_accuracy([4, 4, 2, 2, 7], truth) == 1.0
    assert grouping_accuracy([4, 4, 2, 3, 7], truth) == 0.6  # one line astray spoils its group
    assert grouping_accuracy([1, 1, 2, 2, 2], truth) == 0.4  # and one too many spoils two


def test_a_trained_model_is_torchs_lstm(lesson: ModuleType) -> None:
    torch.manual_seed(0)
    model = lesson.KeyModel(9, C=5, H=7)
    lstm = torch.nn.LSTM(5, 7, batch_first=True)
    lstm.load_state_dict({f"{name}_l0": value for name, value in model.cell.state_dict().items()})
    histories = torch.randint(0, 10, (40, 12))
    want = model.head(lstm(model.embed(histories))[0][:, -1])
    assert torch.allclose(model(histories), want, atol=1e-5)
    want = torch.nn.functional.cross_entropy(want, histories[:, 0])
    got = lesson.surprise(model(histories), histories[:, 0], torch.ones(10, dtype=torch.bool)).mean()
    assert torch.allclose(got, want, atol=1e-5)
