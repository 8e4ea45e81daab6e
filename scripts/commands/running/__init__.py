"""Several programs at once, as scripts/test and scripts/check run them: shown, timed, and ended together."""
