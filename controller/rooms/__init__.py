"""Room providers: Daily, LiveKit, and SmallWebRTC without one."""
