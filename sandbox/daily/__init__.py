"""Daily's REST API, as far as rooms and meeting tokens go. Nobody can meet in these rooms."""
