"""What a stand-in for a model understands of what it is asked, and what it answers, whatever its protocol."""
