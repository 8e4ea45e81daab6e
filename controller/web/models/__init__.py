"""Bodies, queries and responses of the API. The text below each field is its description in the reference."""
