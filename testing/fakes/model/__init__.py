"""A scripted Gemini Live behind the SDK's interface, for what only the service's own decisions depend on."""
