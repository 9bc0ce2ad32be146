"""The tasks of a shot: propagate a segment, matte frames."""
