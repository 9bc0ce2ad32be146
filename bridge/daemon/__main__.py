"""`python -m bridge.daemon`: the daemon with its ordinary settings, as `videomatte serve` starts it."""

from __future__ import annotations

import sys

from .configuration import Configuration
from .serve import serve

if __name__ == "__main__":
    sys.exit(serve(Configuration()))
