"""Reports in words, colours and pictures: for the terminal and for the notebook."""
