"""The code inside a bot's pod: the contract with the controller, the runner, and Gemini's service."""
