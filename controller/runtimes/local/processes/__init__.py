"""The processes of bots: spawned each by itself, or forked from one that has imported what they need."""
