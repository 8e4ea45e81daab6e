"""How a bench runs: its results, progress and tables, and the process that ends whatever it started."""
