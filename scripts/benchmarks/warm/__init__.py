"""What warm bots save a start, what they cost while they wait, and what their claims cost a cluster."""
