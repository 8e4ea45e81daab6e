"""Streams of events, and how a controller leaves while they are open."""

import asyncio
import json

from testing.fakes.controllers.process_table import exists
from testing.fakes.controllers.served import ServeController
from tests.contract.lifecycle.test_local_bots import pid_of


async def test_a_session_is_told_whole_at_each_change(serve: ServeController) -> None:
    async with serve("join leave") as controller:
        session = await controller.start()
        phases: list[str] = []
        async for seen in controller.watch(f"/v1/sessions/{session['id']}/events"):
            if not phases:
                offer = {"sdp": "v=0", "type": "offer"}
                await controller.offer(session, offer)
            phases.append(seen["phase"])
            if seen["phase"] == "ended":
                break

        assert phases[0] == "starting"
        assert phases[-1] == "ended"
        assert seen["user_id"] == "ana"
        assert seen["room"]["token"] is None


async def test_events_are_named_and_numbered_and_can_be_taken_up_again(serve: ServeController) -> None:
    async with serve() as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        lines = []
        async with controller.client.stream("GET", "/v1/events") as stream:
            async for line in stream.aiter_lines():
                if not line:
                    break
                lines.append(line)
        fields = dict(line.split(": ", 1) for line in lines)
        assert fields["event"] == "session"
        assert json.loads(fields["data"])["id"] == session["id"]

        await controller.client.delete(f"/v1/sessions/{session['id']}")
        later = controller.watch("/v1/events", **{"last-event-id": fields["id"]})
        assert (await anext(later))["phase"] in ("stopping", "ended")
        await later.aclose()
        stranger = controller.watch("/v1/events", **{"last-event-id": "other-99"})
        assert (await anext(stranger))["id"] == session["id"]
        await stranger.aclose()


async def test_leaving_takes_the_bots_along_and_ends_all_streams(serve: ServeController) -> None:
    async with serve("join deaf", grace_seconds=0.5) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        pid = await pid_of(controller, session)
        async with asyncio.timeout(10):
            stream = controller.watch("/v1/events")
            events = [await anext(stream)]
            leaving = asyncio.create_task(controller.leave())
            events += [each async for each in stream]
            await leaving

        assert not exists(pid)
        assert (events[-1]["phase"], events[-1]["reason"]) == ("ended", "stopped")
        assert events[-1]["message"].startswith("The controller shut down")


async def test_what_a_bot_reports_on_its_way_out_is_still_taken(serve: ServeController) -> None:
    async with serve() as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        last = asyncio.create_task(controller.until_over(session["id"]))
        await asyncio.sleep(0)
        leaving = asyncio.create_task(controller.leave())

        assert (await last)["usage"]["partial"] is False
        await leaving


async def test_an_impatient_operator_need_not_wait_for_the_grace_period(serve: ServeController) -> None:
    async with serve("join deaf", grace_seconds=600) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        pid = await pid_of(controller, session)
        stream = controller.watch("/v1/events")
        await anext(stream)
        leaving = asyncio.create_task(controller.leave())
        assert (await anext(stream))["phase"] == "stopping"
        assert exists(pid)
        controller.server.force_exit = True

        await leaving
        assert [each async for each in stream] == []
        assert not exists(pid)
