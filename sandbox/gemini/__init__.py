"""A stand-in for Gemini Live: it hears, calls tools and speaks, over the protocol Google's SDK speaks."""
