"""The command line `podline`, for operators of any controller and for authors of bots."""
