"""Inside a worker: load a submission's definitions, run observations on them, send plain data back."""

from __future__ import annotations

import builtins
import itertools
import json
import math
import random
import socket
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from autograder.observe import limits, probe, wire
from autograder.observe.learner import Submission

FREE_NAMES = {"torch": torch, "np": np, "math": math, "F": F, "nn": nn, "probe": probe}
NUMPY_ERRORS = np.geterr()


def get_ready() -> tuple[Submission, limits.Printed]:
    """Bound this process and make it ready, while nobody waits for it."""
    limits.restrict()
    printed = limits.silence()
    settle()
    return Submission(), printed


def settle() -> None:
    """Touch what every submission touches."""
    reset()
    wire.decode(wire.encode([torch.ones(2) + 1, np.ones(2)]))


def serve(sock: socket.socket, submission: Submission, printed: limits.Printed) -> None:
    """Say that we are there, then answer numbered requests until the other side hangs up."""
    wire.send(sock, {"n": 0})
    while True:
        try:
            request = wire.receive(sock, None)
        except wire.Closed:
            return
        known = len(sys.modules)
        reply = answer(submission, request) | {"n": request["n"], "printed": printed.take()}
        # From the end: to walk over all modules would touch, and so copy, the pages of all of their names.
        reply["imported"] = [*itertools.islice(reversed(sys.modules), max(0, len(sys.modules) - known))][::-1]
        try:
            wire.send(sock, reply)
        except wire.WireError as error:
            told = wire.Raised("WireError", f"what came back cannot be compared. {error}")
            wire.send(sock, {"n": request["n"], "raised": told, "function": ""})


def answer(submission: Submission, request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one request and say how it went; whatever learner code raises is part of the answer."""
    try:
        reset()
        if request["do"] == "load":
            return {"value": submission.load(*json.loads(request["definitions"]))}
        run = observation(request["source"], request["name"])
        return {"value": run(submission.learner, *request["args"], **request["kwargs"])}
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: learner code may raise anything
        told, function = submission.describe(error)
        return {"raised": told, "function": function}


_observations: dict[str, Callable[..., Any]] = {}


def observation(source: str, name: str) -> Callable[..., Any]:
    """Compile an observation from its source, once."""
    if source not in _observations:
        namespace: dict[str, Any] = {**FREE_NAMES, "__builtins__": builtins, "__name__": "observation"}
        exec(compile(source, f"<observation {name}>", "exec"), namespace)
        _observations[source] = namespace[name]
    return _observations[source]


def reset() -> None:
    """Give every observation the same start: random streams, defaults of torch and NumPy, no warnings."""
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)
    torch.set_grad_enabled(True)
    np.seterr(**NUMPY_ERRORS)
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(limits.RECURSION)
