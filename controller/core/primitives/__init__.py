"""Building blocks that know nothing about sessions: time, waiting, ids, addresses, validation."""
