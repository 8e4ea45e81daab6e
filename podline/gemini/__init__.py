"""Pipecat's Gemini Live service, which reports a lost model instead of running on mute."""
