"""What notebooks import: `check`, `hint`, `aha`, `carry`, `look` and `palette`, in a Jupyter kernel or plain IPython."""
