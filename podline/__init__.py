"""The code inside a bot's pod: the contract with the controller, the runner, and Gemini's service.

`podline.call()` is all of it that a bot may want to know about.
"""

from podline.current_call import CurrentCall, call, install_call

__all__ = ["CurrentCall", "call", "install_call"]
