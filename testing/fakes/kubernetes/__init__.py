"""An API server in memory, over HTTP."""
