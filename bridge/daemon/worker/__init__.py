"""The worker process: the one part of the daemon that knows torch."""
