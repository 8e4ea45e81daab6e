"""The API; launches and follows sessions. Never imports the bot."""
