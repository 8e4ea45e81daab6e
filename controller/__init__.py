"""The controller: serves the API, launches and tracks sessions. It never imports the bot."""
