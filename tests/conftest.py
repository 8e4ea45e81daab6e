"""What all tests share."""

import pytest

from tests.searching import register_profiles

# Helpers' assertions show what they compared, as those of the tests themselves do.
pytest.register_assert_rewrite("testing", "tests.local", "tests.cluster", "tests.node")

register_profiles()
