"""A stand-in for the web app's backend: products, saved lists and transcripts, over HTTP and SQLite."""
