"""Callers and what they bring: keys and identities, browsers, WebRTC and LiveKit clients, their errands."""
