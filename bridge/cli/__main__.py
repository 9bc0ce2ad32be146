"""`python -m bridge.cli` is the command `videomatte`."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
