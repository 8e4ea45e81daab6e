"""The commands for this machine: a first bot, a controller to develop it with, a spoken call, a check-up."""
