"""Controllers in this process, with fake runtimes and rooms."""
