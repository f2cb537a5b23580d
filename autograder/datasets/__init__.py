"""Data sets: a registry of public files, fetched on request and verified, and defaults that need no network."""

from autograder.datasets.cache import NotFetched, found, home, path
from autograder.datasets.embedded import function_names, library_source, python_prose
from autograder.datasets.fetching import FetchFailed, fetch
from autograder.datasets.registry import Dataset, UnknownDataset, dataset, datasets

__all__ = [
    "Dataset",
    "FetchFailed",
    "NotFetched",
    "UnknownDataset",
    "dataset",
    "datasets",
    "fetch",
    "found",
    "function_names",
    "home",
    "library_source",
    "path",
    "python_prose",
]
