"""What tests, benches and scripts share: clusters, nodes, builds, callers and fakes."""
