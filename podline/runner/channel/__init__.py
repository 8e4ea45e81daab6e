"""The bot's channel to the controller: reports out, inbox in, and the final report."""
