"""Real nodes on this machine: containerd, a kubelet, network policies, DNS."""
