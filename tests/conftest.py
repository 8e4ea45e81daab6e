"""What all tests share."""

import pytest
from hypothesis import settings

# Helpers' assertions show what they compared, as those of the tests themselves do.
pytest.register_assert_rewrite("tests.local", "tests.cluster", "tests.node", "tests.livekit")

# How long an example takes says more of the machine than of what is tested.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")
