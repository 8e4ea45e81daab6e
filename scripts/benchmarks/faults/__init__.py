"""The fault suite: load on a cluster, faults at random, and an auditor that finds what they broke."""
