"""A Kubernetes control plane on this machine, fake nodes whose pods end as tests say, and controllers."""
