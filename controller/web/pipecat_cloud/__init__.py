"""Pipecat Cloud's API, as its own command line, SDK and browser client use it."""
