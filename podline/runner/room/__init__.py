"""Rooms as a bot sees them: Daily, LiveKit and SmallWebRTC, behind one set of events."""
