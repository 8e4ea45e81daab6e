"""The objects written for one launch: names, template, manifests, and the session's record on its Job."""
