"""`python -m tests`: pytest, which leaves without the interpreter's shutdown.

Threads of LiveKit's client that call back into an interpreter on its way out abort the process, after the
last test has passed.
"""

import os
import sys

import pytest

status = pytest.main()
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
