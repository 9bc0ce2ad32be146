"""The report of a shot: one file that people open in a browser, without a network."""
