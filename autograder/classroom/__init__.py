"""A class: many submissions, none of them trusted, graded in parallel, with feedback for each and a summary of all."""
