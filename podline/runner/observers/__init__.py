"""Observers of Pipecat's frames: usage, latencies, speech, silence, spans."""
