"""What a request comes to: an answer, a refusal in words to act on, or none, and whether it may count."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.errors import ApiRefused, ApiUnreachable
from controller.runtimes.kubernetes.client.objects import Job
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_server import ApiServer, How, serve_api
from testing.fakes.kubernetes.kubeconfig import write_kubeconfig
from testing.processes import free_port
from tests.unit.controller.runtimes.kubernetes.serving import JOBS, add_job, api_to

JOB: Final = {"metadata": {"name": "a", "labels": {}}}


async def refusal(server: ApiServer, method: str = "GET", path: str = JOBS, **request: Any) -> ApiRefused:
    async with api_to(server) as api:
        with pytest.raises(ApiRefused) as caught:
            await api.request(method, path, **request)
    return caught.value


async def silence(server: ApiServer, method: str = "POST", **request: Any) -> ApiUnreachable:
    async with api_to(server) as api:
        with pytest.raises(ApiUnreachable) as caught:
            await api.request(method, JOBS, body=JOB, **request)
    return caught.value


@at_once_with_sockets
async def test_an_answer_is_decoded() -> None:
    async with serve_api() as server, api_to(server) as api:
        job = await api.read("POST", JOBS, Job, body=JOB)
        again = await api.read("PATCH", f"{JOBS}/a", Job, body={"spec": {"activeDeadlineSeconds": 0}})

        assert (again.metadata.name, again.metadata.uid) == ("a", job.metadata.uid)
        assert again.spec.active_deadline_seconds == 0


@at_once_with_sockets
async def test_a_name_that_is_taken_is_a_refusal_that_will_not_pass() -> None:
    async with serve_api() as server:
        add_job(server, "a")
        error = await refusal(server, "POST", body=JOB)

    assert (error.status, error.may_pass, error.is_certain) == (409, False, True)
    assert str(error) == 'The API server answered 409: jobs.batch "a" already exists.'


@at_once_with_sockets
async def test_what_is_not_there_is_a_404() -> None:
    async with serve_api() as server:
        error = await refusal(server, path=f"{JOBS}/a")

    assert (error.status, error.may_pass) == (404, False)


FORBIDDEN = (
    'jobs.batch is forbidden: User "system:serviceaccount:podline:podline" cannot {verb} resource "{what}" '
    'in API group "{group}" in the namespace "podline"'
)


@pytest.mark.parametrize(
    ("verb", "what", "group", "expected"),
    [
        (
            "create",
            "jobs",
            "batch",
            "The controller may not create jobs of batch: add `create` on `jobs` to its Role.",
        ),
        ("get", "pods/log", "", "The controller may not get pods/log: add `get` on `pods/log` to its Role."),
        (
            "create",
            "secrets",
            "",
            "The controller may not create secrets: add `create` on `secrets` to its Role.",
        ),
    ],
)
@at_once_with_sockets
async def test_a_permission_that_is_missing_is_named(verb: str, what: str, group: str, expected: str) -> None:
    async with serve_api() as server:
        message = FORBIDDEN.format(verb=verb, what=what, group=group)
        server.misbehave("refuse", status=403, reason="Forbidden", message=message)
        error = await refusal(server)

    assert str(error) == expected
    assert not error.may_pass
    assert not error.is_quota


DENIED = (
    "jobs.batch \"a\" is forbidden: ValidatingAdmissionPolicy 'podline-controller-templates' with binding "
    "'podline-controller-templates' denied request: {rule}"
)


FOREIGN_IMAGE = "Bots may not run the image evil: add its repository to `images` in the ConfigMap x."
NO_LISTS = (
    "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (FOREIGN_IMAGE, f"denied it: {FOREIGN_IMAGE}"),
        (NO_LISTS, "has no parameters in the namespace: create the ConfigMap podline-admission there"),
    ],
    ids=["a rule", "no lists"],
)
@pytest.mark.parametrize("status", [403, 422])
@at_once_with_sockets
async def test_a_policy_that_denies_it_is_named_with_its_rule(rule: str, said: str, status: int) -> None:
    async with serve_api() as server:
        message = DENIED.format(rule=rule)
        server.misbehave("refuse", status=status, reason="Invalid", message=message)
        error = await refusal(server)

    assert str(error).startswith(f"The admission policy podline-controller-templates {said}")
    assert not error.may_pass


@at_once_with_sockets
async def test_a_quota_that_is_used_up_is_told_from_a_missing_permission() -> None:
    message = (
        'jobs.batch "a" is forbidden: exceeded quota: bots, requested: count/jobs.batch=1, '
        "used: count/jobs.batch=20, limited: count/jobs.batch=20"
    )
    async with serve_api() as server:
        server.misbehave("refuse", status=403, reason="Forbidden", message=message)
        error = await refusal(server)

    assert error.is_quota
    assert str(error) == f"The API server answered 403: {message}."


@pytest.mark.parametrize(
    ("status", "header", "asked"),
    [
        (429, 7, 7.0),
        (503, 1, 1.0),
        (500, None, None),
        (429, "soon", None),
        (429, "-3", None),
        (429, "²", None),
    ],
)
@at_once_with_sockets
async def test_what_may_pass_says_when_to_come_back(status: int, header: Any, asked: float | None) -> None:
    async with serve_api() as server:
        server.misbehave("refuse", status=status, retry_after=header)
        error = await refusal(server)

    assert error.may_pass
    assert error.retry_after == asked
    # A 429 was not begun; what a 5xx has come to, nobody knows.
    assert error.is_certain is (status == 429)


@pytest.mark.parametrize(
    "body", [b"<html>no</html>", b"[]", b"\xff", b'{"message": 5}', b'{"message":"\xff"}', b" "]
)
@at_once_with_sockets
async def test_an_error_that_is_no_status_is_told_by_its_number(body: bytes) -> None:
    async with serve_api() as server:
        server.misbehave("refuse", status=502, body=body)
        error = await refusal(server)

    assert str(error) == "The API server answered 502: the API server answered 502."


@at_once_with_sockets
async def test_no_connection_at_all_is_certain(tmp_path: Path) -> None:
    config = write_kubeconfig(tmp_path / "config", f"http://127.0.0.1:{free_port()}", token="a-token")
    async with Api(Access(str(config))) as api:
        with pytest.raises(ApiUnreachable) as caught:
            await api.request("POST", JOBS, body=JOB)

    assert caught.value.is_certain
    assert re.fullmatch(r"The API server can't be reached: [^\n]+\.", str(caught.value))


@pytest.mark.parametrize("how", ["reset_before", "reset_after"])
@at_once_with_sockets
async def test_a_connection_that_breaks_after_the_request_is_not_certain(how: How) -> None:
    async with serve_api() as server:
        server.misbehave(how)
        error = await silence(server)

    assert not error.is_certain
    assert error.may_pass
    assert str(error) == "The connection to the API server broke."


@at_once_with_sockets
async def test_an_answer_that_does_not_come_is_not_certain() -> None:
    async with serve_api() as server:
        server.misbehave("hang")
        error = await silence(server)

    assert not error.is_certain
    assert str(error) == "The API server did not answer in time."


@at_once_with_sockets
async def test_an_answer_that_can_not_be_read_is_not_certain() -> None:
    async with serve_api() as server, api_to(server) as api:
        for body in (b"<html>", b"[]", b'{"metadata":{"name":"\xff"}}'):
            server.misbehave("refuse", status=200, body=body)
            with pytest.raises(ApiUnreachable) as caught:
                await api.read("POST", JOBS, Job, body=JOB)

            assert not caught.value.is_certain


@at_once_with_sockets
async def test_a_connection_that_is_not_open_is_certain() -> None:
    async with serve_api() as server:
        async with api_to(server) as api:
            pass
        with pytest.raises(ApiUnreachable, match="not open"):
            await api.request("GET", JOBS)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@at_once_with_sockets
async def test_a_controller_that_is_not_the_leader_writes_nothing(method: str) -> None:
    async with serve_api() as server, api_to(server, may_write=lambda: False) as api:
        add_job(server, "a")
        path = JOBS if method == "POST" else f"{JOBS}/a"
        with pytest.raises(ApiUnreachable, match="not the leader, so it wrote nothing") as refused:
            await api.request(method, path, body=JOB)

        assert (refused.value.is_certain, refused.value.may_pass) == (True, True)
        assert server.asked == []


@at_once_with_sockets
async def test_a_controller_that_is_not_the_leader_reads_and_checks_on() -> None:
    async with serve_api() as server, api_to(server, may_write=lambda: False) as api:
        add_job(server, "a")
        await api.request("GET", f"{JOBS}/a")
        await api.request("POST", JOBS, query={"dryRun": "All"}, body={"metadata": {"name": "b"}})

        assert [each.method for each in server.asked] == ["GET", "POST"]
        assert [each["metadata"]["name"] for each in server.objects.all("jobs", "podline")] == ["a"]
