"""Run one session of one Pipecat bot, from its environment to its exit code."""
