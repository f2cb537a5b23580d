"""What notebooks import: `check`, `hint`, `aha`, `carry`, `look`, `palette`; in a Jupyter kernel or plain IPython."""
