"""A stand-in for OpenAI's API as Pipecat's services use it: chat completions, transcriptions, speech."""
