"""What metrics say of Jobs in a real control plane, before and after a controller has left."""

from __future__ import annotations

import json
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import ClusterSite, serve


async def total(site: ClusterSite, name: str, **labels: str) -> float:
    """All samples of this name with these labels, added up."""
    text = (await site.client.get("/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"podline_{name}" and labels.items() <= sample.labels.items()
    )


async def test_what_the_api_server_is_asked_and_how_fresh_its_news_are(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        for verb, code in (("create", "201"), ("list", "200"), ("watch", "200"), ("patch", "200")):
            assert await total(site, "kubernetes_requests_total", verb=verb, code=code) >= 1, verb
        for resource in ("jobs", "pods"):
            assert await total(site, "kubernetes_relists_total", resource=resource) == 1
            assert await total(site, "kubernetes_watch_age_seconds", resource=resource) < 60
        assert await total(site, "ready") == 1


async def test_the_next_controller_counts_only_what_none_before_has_counted(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="ended")
        await site.client.delete("/v1/sessions/ended")
        await site.until_over("ended")
        await site.until_recorded("ended")
        _, bot = await site.live(session_id="one")
        _, lost = await site.live(session_id="away")
        pod = await site.pod("away")
        assert await total(site, "session_starts_total") == 3
        assert await total(site, "session_ends_total") == 1
        assert await total(site, "turns_total") == 3

    # One ends while no controller is there: two turns and its first speech are in its final report alone.
    word = lost.final_report("caller_left")
    lost.turns += 2
    lost.marks |= {"caller_joined": 1.5, "first_speech": 2.0}
    said = {**lost.final_report("caller_left"), "acked_totals": word["totals"], "acked": lost.acknowledged}
    marks = {"fate.test/end": "exit-0", "fate.test/final-report": json.dumps(said)}
    await plane.annotate(f"{site.pods}/{pod['metadata']['name']}", marks)
    await plane.until(f"{site.jobs}/away", lambda job: job["status"].get("succeeded"))

    async with serve(plane, namespace, tmp_path) as site:
        away = await site.until_over("away")
        assert (away["reason"], away["usage"]["turns"]) == ("caller_left", 3)
        assert await total(site, "turns_total") == 2
        assert await total(site, "session_ends_total", reason="caller_left") == 1
        assert await total(site, "session_duration_seconds_count", phase="ended") == 1
        assert await total(site, "session_start_seconds_count") == 1
        assert await total(site, "session_furthest_stage_total", stage="first_speech") == 1
        assert await total(site, "sessions", phase="live") == 1
        bot.speak_to(site)
        await bot.report(turns=4)
        counted = bot.totals()
        bot.turns += 3
        word = {**bot.final_report("completed"), "acked_totals": counted, "acked": bot.acknowledged}
        await site.fate("one", end="exit-0", final_report=json.dumps(word))
        ended = await site.until_over("one")

        assert ended["usage"]["turns"] == 8
        assert await total(site, "turns_total") == 9
        assert await total(site, "session_starts_total") == 0
        assert await total(site, "session_ends_total") == 2
