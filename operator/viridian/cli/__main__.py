"""`python -m viridian.cli`."""

import sys

from viridian.cli.main import main

sys.exit(main())
