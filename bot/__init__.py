"""One call: join, talk, use tools, report, leave. Never imports the controller."""
