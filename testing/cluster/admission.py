"""A namespace where the admission component limits the controller's account, and requests of that account."""

from __future__ import annotations

import asyncio
import copy
import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx

from controller.agents.cluster.secret_sets import variable_secret
from controller.core.runtime import Launch
from controller.runtimes.kubernetes.job.manifests import EXAMPLE, session_job, session_secret
from controller.runtimes.kubernetes.job.template import JobTemplate, read_template
from testing.cluster.control_plane import MERGE, PATIENCE_SECONDS, ControlPlane
from testing.cluster.overlays import TEMPLATES, apply, rendered
from testing.cluster.paths import NamespacePaths

ACCOUNT: Final = "podline-controller"
PARAMETERS: Final = "podline-admission"
LABEL: Final = {"podline.dev/admission": "enforced"}
POLICIES: Final = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
_OF_THE_ACCOUNT: Final = ("ServiceAccount", "Role", "RoleBinding", "Lease")

Manifest = dict[str, Any]


@dataclass
class Account(NamespacePaths):
    """The controller's ServiceAccount in one namespace, with a token as its pod has it."""

    plane: ControlPlane
    namespace: str
    token: str
    overlay: str

    async def ask(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> httpx.Response:
        """Send one request with the account's token; the answer may be an error."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        async with httpx.AsyncClient(verify=self.plane.ssl_context(), timeout=PATIENCE_SECONDS) as client:
            return await client.request(method, self.plane.url + path, json=body, headers=headers)

    async def attempt(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> httpx.Response:
        """Have the API server judge a request without carrying it out."""
        sign = "&" if "?" in path else "?"
        return await self.ask(method, f"{path}{sign}dryRun=All", body, content_type)

    @property
    def lease(self) -> str:
        """The path of the Lease that says who leads."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{ACCOUNT}"

    async def until(self, method: str, path: str, body: Any, said: str) -> None:
        """Attempt this until the answer says it: a change of rules is known some moments later."""
        answer = ""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while said not in answer:
                    await asyncio.sleep(0.05)  # seen from outside only
                    content_type = MERGE if method == "PATCH" else "application/json"
                    answer = (await self.attempt(method, path, body, content_type)).text
        except TimeoutError:
            raise AssertionError(f"{method} {path} never came to {said}; at last it was {answer}") from None

    async def make_job(self, job: Manifest) -> Manifest:
        made = await self.ask("POST", self.jobs, job)
        assert made.status_code == 201, made.text
        found: Manifest = made.json()
        return found


async def install_account(plane: ControlPlane, namespace: str, overlay: str = "production") -> Account:
    """Give the namespace the controller's account, Role and Lease, as the overlay has them, and no policy."""
    documents = await rendered(plane, overlay, namespace)
    await apply(plane, [each for each in documents if each["kind"] in _OF_THE_ACCOUNT])
    return Account(plane, namespace, await plane.service_account_token(namespace, ACCOUNT), overlay)


async def install_guarded(
    plane: ControlPlane, namespace: str, overlay: str = "production", **more: str
) -> Account:
    """Limit the account by the component; `more` are lines for its lists. Every rule is in force then."""
    documents = await rendered(plane, overlay, namespace)
    component = [each for each in documents if is_of_the_component(each)]
    [parameters] = [each for each in component if each["kind"] == "ConfigMap"]
    for name, lines in more.items():
        parameters["data"][name] += f"{lines}\n"
    await apply(plane, component)
    await plane.api("PATCH", f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": LABEL}}, MERGE)
    account = await install_account(plane, namespace, overlay)
    await until_in_force(account)
    return account


async def remove_policies(plane: ControlPlane) -> None:
    for kind in POLICIES:
        await plane.kubectl("delete", kind, "--selector=app.kubernetes.io/part-of=podline")


def is_of_the_component(document: Manifest) -> bool:
    is_policy = document["kind"].startswith("ValidatingAdmissionPolicy")
    return is_policy or bool(document["metadata"]["name"] == PARAMETERS)


async def until_in_force(account: Account) -> None:
    """Wait until each policy denies what it is for."""
    await account.plane.api("POST", account.jobs, somebody_elses_job())
    await account.plane.api("POST", f"{account.core}/pods", a_bots_pod())
    nameless, image = own_job(account), own_job(account)
    nameless["metadata"]["labels"].pop("podline.dev/launch-id")
    image["spec"]["template"]["spec"]["containers"][0]["image"] = "foreign"
    secret = {"metadata": {"name": "stray"}, "type": "Opaque"}
    event = an_event(account.namespace, "Pod")
    requests: list[tuple[str, str, Manifest | None, str]] = [
        ("POST", account.jobs, image, "templates"),
        ("POST", account.jobs, nameless, "jobs"),
        ("DELETE", f"{account.jobs}/somebody-elses", None, "deletions"),
        ("PATCH", f"{account.core}/pods/a-bot-s", {"metadata": {"labels": {"stray": ""}}}, "pods"),
        ("POST", f"{account.core}/secrets", secret, "secrets"),
        ("POST", f"{account.core}/events", event, "events"),
        ("PATCH", account.lease, {"metadata": {"labels": {"stray": ""}}}, "leases"),
    ]
    for method, path, body, policy in requests:
        await account.until(method, path, body, f"'podline-controller-{policy}'")
    await account.plane.api("DELETE", f"{account.core}/pods/a-bot-s?gracePeriodSeconds=0")


async def until_denied(account: Account, because: str) -> None:
    """Wait until the overlay's own Job is denied."""
    await account.until("POST", account.jobs, own_job(account), because)


async def until_taken(account: Account) -> None:
    """Wait until it is taken again."""
    await account.until("POST", account.jobs, own_job(account), '"kind":"Job"')


def own_job(account: Account) -> Manifest:
    """A Job as the controller makes it from the template of its overlay."""
    return bot_job(TEMPLATES.get(account.overlay, TEMPLATES["base"]))


def production_job(session_id: str = EXAMPLE.session.id) -> Manifest:
    """A Job as the controller makes it from production's template."""
    return bot_job(TEMPLATES["production"], session_id)


def bot_job(template: Path, session_id: str = EXAMPLE.session.id) -> Manifest:
    job = session_job(_template(template), _launch(session_id), grace_seconds=30, keep_ended_seconds=60)
    return copy.deepcopy(job)


@functools.cache
def _template(path: Path) -> JobTemplate:
    return read_template(path, "anywhere")


def bot_secret(
    job_uid: str = "0b6ee7a2-93a0-4b47-8e8a-b62ba8a2a3f5", session_id: str = EXAMPLE.session.id
) -> Manifest:
    """The Secret that the controller makes for that Job."""
    return copy.deepcopy(session_secret(_launch(session_id), job_uid))


def set_secret(name: str = "keys", kind: str = "Opaque") -> Manifest:
    """The Secret that the controller makes for a variable of a set, or for a set of image credentials."""
    content = {"A_KEY": "value"} if kind == "Opaque" else {".dockerconfigjson": "{}"}
    return variable_secret(name, "A_KEY", kind, content)


def _launch(session_id: str) -> Launch:
    return replace(EXAMPLE, session=replace(EXAMPLE.session, id=session_id))


def somebody_elses_job() -> Manifest:
    """A Job that is no bot's, which starts no pod."""
    container = {"name": "work", "image": "registry.example.com/reports:1"}
    return {
        "metadata": {"name": "somebody-elses"},
        "spec": {
            "suspend": True,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }


def a_bots_pod(name: str = "a-bot-s") -> Manifest:
    """The pod of a bot, on no node that exists."""
    labels = {"app.kubernetes.io/name": "podline-bot", "podline.dev/launch-id": "warm-1"}
    container = {"name": "bot", "image": "registry.example.com/podline-bot:1"}
    return {
        "metadata": {"name": name, "labels": {**labels, "podline.dev/pool": "waiting"}},
        "spec": {"nodeName": "nowhere", "containers": [container]},
    }


def an_event(namespace: str, kind: str) -> Manifest:
    return {
        "metadata": {"name": "one", "namespace": namespace},
        "involvedObject": {
            "kind": kind,
            "apiVersion": "batch/v1",
            "name": "one",
            "namespace": namespace,
            "uid": "0b6ee7a2-93a0-4b47-8e8a-b62ba8a2a3f5",
        },
        "type": "Warning",
        "reason": "Crashed",
        "message": "It failed.",
        "source": {"component": "podline"},
    }
