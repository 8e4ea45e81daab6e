"""Podline in a cluster of one's own: images, a kind cluster, the installation, and a call there."""
