"""The shot on disk: what it is made of, what is stale, what is locked."""
