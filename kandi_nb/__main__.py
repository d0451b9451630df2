"""`python -m kandi_nb`: the command kandi-nb, where its script is not on the path."""

import sys

from .cli import main

if __name__ == "__main__":  # workers read this file, too
    sys.exit(main())
