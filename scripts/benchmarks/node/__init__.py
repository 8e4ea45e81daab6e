"""How long a call takes to start on a real node, beside a bare Job."""
