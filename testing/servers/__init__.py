"""Real servers on loopback: LiveKit, TURN, Prometheus, an OpenTelemetry Collector."""
