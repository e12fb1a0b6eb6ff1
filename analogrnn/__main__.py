"""`python -m analogrnn`."""

import sys

from analogrnn.cli.main import main

sys.exit(main())
