"""Pictures of the pages in their states, taken by the tests of the states."""
