"""The study site: every exercise as a page with its figures, its bugs as a gallery, the map and the aha log."""
