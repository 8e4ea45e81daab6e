"""What bots and the controller send each other: the inbox, and the accounting of reports."""
