"""Stand-ins over real protocols for what needs an account: Gemini Live, the product store, a caller."""
