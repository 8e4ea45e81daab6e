"""Messages between bots and the controller: the inbox, and the accounting of reports."""
