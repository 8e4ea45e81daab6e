"""Write the generated files: the rules, the same rules as a PrometheusRule, and the boards."""

from __future__ import annotations

from deploy.monitoring.files import made

if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")
