"""`python -m tests`: pytest, as tests/conftest.py configures it."""

import sys

import pytest

sys.exit(pytest.main())
