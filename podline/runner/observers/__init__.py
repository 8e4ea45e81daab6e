"""What a runner learns from Pipecat's frames: usage, latencies, speech, silence, transcript, spans."""
