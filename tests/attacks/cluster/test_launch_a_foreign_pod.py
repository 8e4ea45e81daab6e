"""Who holds the controller's token wants a pod that reaches further than a bot's."""

from __future__ import annotations

from typing import Any

import pytest

from testing.cluster.admission import Account, production_job
from tests.attacks.cluster.changed import ABSENT, changed
from tests.attacks.cluster.denial import assert_denied_by_rules

DIGEST = "sha256:" + "0" * 64
BOT = "registry.example.com/podline-bot"

FOREIGN_IMAGES = [
    "evil",
    "podline-bot:0.2.0",
    "docker.io/library/podline-bot:0.2.0",
    f"{BOT}-evil:1",
    f"{BOT}/evil:1",
    f"{BOT}.evil",
    f"{BOT}:5000/evil",
    f"{BOT}:0.2.0/evil@{DIGEST}",
    f"{BOT}@sha256:0",
    "registry.example.com/podline-bo",
    "registry.example.com/voice",
    "registry.example.com/voice-evil/bot:1",
    "registry.example.com/pinned:2",
    "registry.example.com/pinned:11",
    "registry.example.com/pinned",
    f"evil.example.com/{BOT}:1",
    f"registry.example.com/pinned:1@{DIGEST}",
    "registry.example.com/voice/team/../../evil:1",
    "registry.example.com/voice/team//evil:1",
]
ALLOWED_IMAGES = [
    BOT,
    f"{BOT}:0.2.0",
    f"{BOT}@{DIGEST}",
    f"{BOT}:0.2.0@{DIGEST}",
    "registry.example.com/voice/bot:1",
    "registry.example.com/voice/team/bot",
    "registry.example.com/pinned:1",
]
VOLUMES: dict[str, Any] = {
    "hostPath": {"path": "/"},
    "nfs": {"server": "10.0.0.1", "path": "/"},
    "csi": {"driver": "secrets-store.csi.k8s.io"},
    "persistentVolumeClaim": {"claimName": "somebody-elses"},
    "ephemeral": {
        "volumeClaimTemplate": {
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        }
    },
    "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]},
    "iscsi": {"targetPortal": "10.0.0.1", "iqn": "iqn.2001-04.com.example:disk", "lun": 0},
    "flexVolume": {"driver": "example.com/driver"},
    "fc": {"targetWWNs": ["500a0982991b8dc5"], "lun": 0},
}
PROJECTED_SECRET = {"sources": [{"secret": {"name": "podline-controller"}}]}
PROBE = {"httpGet": {"port": 80, "host": "169.254.169.254", "path": "/latest/meta-data"}}
EVERYBODY = {"labelSelector": {}, "namespaceSelector": {}, "topologyKey": "kubernetes.io/hostname"}
ANOTHER_TEAM = {"labelSelector": {}, "namespaces": ["team-b"], "topologyKey": "kubernetes.io/hostname"}

IN_THE_POD: dict[str, tuple[str, Any, str]] = {
    "another account": ("pod/serviceAccountName", "podline-controller", "ServiceAccount"),
    "another account by the older name": ("pod/serviceAccount", "podline-controller", "ServiceAccount"),
    "a mounted token": ("pod/automountServiceAccountToken", True, "token for the API server"),
    "a token mounted by default": ("pod/automountServiceAccountToken", ABSENT, "token for the API server"),
    **{
        f"a volume of type {kind}": ("pod/volumes/+", {"name": "more", kind: source}, "volume more")
        for kind, source in VOLUMES.items()
    },
    "a Secret in a projected volume": (
        "pod/volumes/+",
        {"name": "more", "projected": PROJECTED_SECRET},
        "volume more",
    ),
    "another team's Secret as a volume": (
        "pod/volumes/+",
        {"name": "more", "secret": {"secretName": "podline-keys"}},
        "the Secret podline-keys",
    ),
    "another team's ConfigMap as a volume": (
        "pod/volumes/+",
        {"name": "more", "configMap": {"name": "podline-job"}},
        "the ConfigMap podline-job",
    ),
    "a foreign image as a volume": (
        "pod/volumes/+",
        {"name": "more", "image": {"reference": "evil"}},
        "the image evil",
    ),
    "another team's registry password": (
        "pod/imagePullSecrets/+",
        {"name": "podline-controller"},
        "pulled with the Secret podline-controller",
    ),
    "the node's network": ("pod/hostNetwork", True, "`hostNetwork`"),
    "the node's processes": ("pod/hostPID", True, "`hostPID`"),
    "the node's memory": ("pod/hostIPC", True, "`hostIPC`"),
    "shared processes": ("pod/shareProcessNamespace", True, "`shareProcessNamespace`"),
    "other names for addresses": (
        "pod/hostAliases",
        [{"ip": "10.0.0.1", "hostnames": ["generativelanguage.googleapis.com"]}],
        "`hostAliases`",
    ),
    "a claim on a device": (
        "pod/resourceClaims",
        [{"name": "gpu", "resourceClaimName": "gpu"}],
        "`resourceClaims`",
    ),
    "a node of choice": ("pod/nodeName", "fake-0", "`nodeName`"),
    "another scheduler": ("pod/schedulerName", "evil", "`schedulerName`"),
    "the system's priority": ("pod/priorityClassName", "system-node-critical", "priority class"),
    "a number as priority": ("pod/priority", 2000001000, "`priority`"),
    "another runtime": ("pod/runtimeClassName", "unconfined", "runtime class"),
    "root for the pod": ("pod/securityContext/runAsUser", 0, "root"),
    "maybe root": ("pod/securityContext/runAsNonRoot", ABSENT, "root"),
    "no seccomp": ("pod/securityContext/seccompProfile", ABSENT, "seccompProfile"),
    "seccomp undone": ("pod/securityContext/seccompProfile", {"type": "Unconfined"}, "seccompProfile"),
    "AppArmor undone": ("pod/securityContext/appArmorProfile", {"type": "Unconfined"}, "Unconfined"),
    "kernel parameters": (
        "pod/securityContext/sysctls",
        [{"name": "kernel.shm_rmid_forced", "value": "1"}],
        "`sysctls`",
    ),
    "another SELinux label": ("pod/securityContext/seLinuxOptions", {"type": "spc_t"}, "`seLinuxOptions`"),
    "the calls that the controller gets": (
        "template/labels/app.kubernetes.io~name",
        "podline-controller",
        "app.kubernetes.io/name=podline-bot",
    ),
    "no network policy": (
        "template/labels/app.kubernetes.io~name",
        ABSENT,
        "app.kubernetes.io/name=podline-bot",
    ),
    "a webhook's favour by label": ("template/labels/azure.workload.identity~use", "true", "label"),
    "a webhook's favour by annotation": (
        "template/annotations/vault.hashicorp.com~agent-inject",
        "true",
        "annotation vault.hashicorp.com/agent-inject",
    ),
    "AppArmor undone by annotation": (
        "template/annotations/container.apparmor.security.beta.kubernetes.io~bot",
        "unconfined",
        "annotation",
    ),
    "a network policy's favour": ("template/labels/podline.dev~serves-store", "true", "label"),
    "an end that never comes": ("pod/terminationGracePeriodSeconds", 2**31 - 1, "PODLINE_GRACE_SECONDS"),
    "nodes without other teams": (
        "pod/affinity",
        {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [EVERYBODY]}},
        "`namespaceSelector`",
    ),
    "nodes without another team, if possible": (
        "pod/affinity",
        {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 100, "podAffinityTerm": ANOTHER_TEAM}
                ]
            }
        },
        "`namespaces`",
    ),
    "an account of a Windows domain": (
        "pod/securityContext/windowsOptions",
        {"gmsaCredentialSpecName": "team-b"},
        "`windowsOptions`",
    ),
    "a pod that can't be deleted": ("template/finalizers", ["example.com/never"], "finalizers"),
}
IN_A_CONTAINER: dict[str, tuple[str, Any, str]] = {
    "a foreign image": ("image", "evil.example.com/miner:1", "the image evil.example.com/miner:1"),
    "another team's Secret as variables": (
        "envFrom/+",
        {"secretRef": {"name": "podline-controller"}},
        "the Secret podline-controller",
    ),
    "another team's optional Secret as variables": (
        "envFrom/+",
        {"secretRef": {"name": "podline-controller", "optional": True}},
        "the Secret podline-controller",
    ),
    "another bot's Secret as variables": (
        "envFrom/+",
        {"secretRef": {"name": "somebody-else-0123abcd"}},
        "the Secret somebody-else-0123abcd",
    ),
    "a Secret with its Job's name in front": (
        "envFrom/+",
        {"secretRef": {"name": "podline-probe-keys"}},
        "the Secret podline-probe-keys",
    ),
    "one key of another team's Secret": (
        "env/+",
        {"name": "K", "valueFrom": {"secretKeyRef": {"name": "podline-keys", "key": "keys.json"}}},
        "the Secret podline-keys",
    ),
    "another team's ConfigMap as variables": (
        "envFrom/+",
        {"configMapRef": {"name": "team-b"}},
        "the ConfigMap team-b",
    ),
    "one key of another team's ConfigMap": (
        "env/+",
        {"name": "K", "valueFrom": {"configMapKeyRef": {"name": "team-b", "key": "k"}}},
        "the ConfigMap team-b",
    ),
    "a port of the node": ("ports", [{"containerPort": 80, "hostPort": 80}], "`hostPort`"),
    "a device of the node": (
        "resources",
        {"limits": {"devices.kubevirt.io/kvm": "1"}},
        "the resource devices.kubevirt.io/kvm",
    ),
    "privilege": ("securityContext", {"privileged": True}, "privileged"),
    "the means to gain privileges": ("securityContext/allowPrivilegeEscalation", ABSENT, "gain privileges"),
    "a capability": ("securityContext/capabilities", {"drop": ["ALL"], "add": ["NET_RAW"]}, "capabilities"),
    "the default capabilities": ("securityContext/capabilities", ABSENT, "capabilities"),
    "root": ("securityContext/runAsUser", 0, "root"),
    "maybe root in one container": ("securityContext/runAsNonRoot", False, "root"),
    "no seccomp in one container": ("securityContext/seccompProfile", {"type": "Unconfined"}, "seccomp"),
    "no AppArmor in one container": ("securityContext/appArmorProfile", {"type": "Unconfined"}, "Unconfined"),
    "a SELinux label of its own": ("securityContext/seLinuxOptions", {"type": "spc_t"}, "`seLinuxOptions`"),
    "the node's requests by a hook": (
        "lifecycle",
        {"preStop": {"httpGet": {"port": 80, "host": "169.254.169.254"}}},
        "`host`",
    ),
}
PROBES: dict[str, tuple[str, Any, str]] = {
    f"the node's requests by {probe}": (f"bot/{probe}", PROBE, "`host`")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe")
} | {
    "the node's connections": (
        "bot/livenessProbe",
        {"tcpSocket": {"port": 22, "host": "10.0.0.1"}},
        "`host`",
    )
}
IN_THE_JOB: dict[str, tuple[str, Any, str]] = {
    "many bots": ("job/parallelism", 50, "`parallelism`"),
    "many bots in turn": ("job/completions", 50, "`completions`"),
    "a bot for ever": ("job/activeDeadlineSeconds", ABSENT, "`activeDeadlineSeconds`"),
    "a bot for a lifetime": ("job/activeDeadlineSeconds", 2**31 - 1, "`activeDeadlineSeconds`"),
    "a bot again and again": ("job/backoffLimit", 1000, "`backoffLimit: 0`"),
    "a bot again and again by default": ("job/backoffLimit", ABSENT, "`backoffLimit: 0`"),
    "another controller": ("job/managedBy", "example.com/evil", "`managedBy`"),
    "an owner": (
        "meta/ownerReferences",
        [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "a"}],
        "`ownerReferences`",
    ),
    "a Job that can't be deleted": ("meta/finalizers", ["example.com/never"], "`finalizers`"),
    "a Job that is no bot's": ("meta/labels/podline.dev~launch-id", ABSENT, "podline.dev/launch-id"),
}
ATTACKS = {
    **IN_THE_POD,
    **{f"{what}, of the bot": (f"bot/{path}", *rest) for what, (path, *rest) in IN_A_CONTAINER.items()},
    **{f"{what}, of a helper": (f"helper/{path}", *rest) for what, (path, *rest) in IN_A_CONTAINER.items()},
    **PROBES,
    **IN_THE_JOB,
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_pod_gets_no(guarded: Account, unguarded: Account, attack: str) -> None:
    where, value, said = ATTACKS[attack]

    await assert_denied_by_rules(guarded, unguarded, changed(production_job(), where, value), said)


@pytest.mark.parametrize("image", FOREIGN_IMAGES)
async def test_a_name_that_only_looks_like_an_allowed_image_s_is_denied(guarded: Account, image: str) -> None:
    denied = await guarded.attempt("POST", guarded.jobs, changed(production_job(), "bot/image", image))

    assert denied.status_code == 422
    assert f"may not run the image {image}: " in denied.json()["message"]


@pytest.mark.parametrize("image", ALLOWED_IMAGES)
@pytest.mark.parametrize("container", ["bot", "helper"])
async def test_what_the_operator_allows_is_taken(guarded: Account, image: str, container: str) -> None:
    job = changed(production_job(), f"{container}/image", image)
    job = changed(job, "pod/volumes/+", {"name": "runner", "image": {"reference": image}})
    job = changed(job, "bot/envFrom/+", {"secretRef": {"name": "podline-store"}})

    taken = await guarded.attempt("POST", guarded.jobs, job)

    assert taken.status_code == 201, taken.text


async def test_no_other_way_of_writing_gets_a_foreign_image_in(guarded: Account, unguarded: Account) -> None:
    job = changed(production_job(), "bot/image", "evil")
    apply = "application/apply-patch+yaml"
    named = {"apiVersion": "batch/v1", "kind": "Job", **job}
    generated = changed(job, "meta/generateName", "cart-")
    del generated["metadata"]["name"]

    async def answers(account: Account) -> list[int]:
        applied = f"{account.jobs}/podline-probe?fieldManager=evil"
        return [
            (await account.attempt("PATCH", applied, named, apply)).status_code,
            (await account.attempt("POST", f"{account.jobs}?fieldValidation=Ignore", job)).status_code,
        ]

    assert await answers(unguarded) == [201, 201]
    assert await answers(guarded) == [422, 422]
    assert (await guarded.attempt("POST", guarded.jobs, generated)).status_code == 422


@pytest.mark.parametrize("container", ["bot", "helper"])
async def test_a_user_namespace_does_not_unmask_proc(
    guarded: Account, unguarded: Account, container: str
) -> None:
    job = changed(production_job(), "pod/hostUsers", value=False)
    job = changed(job, f"{container}/securityContext/procMount", "Unmasked")

    assert (await unguarded.attempt("POST", unguarded.jobs, job)).status_code == 201
    denied = await guarded.attempt("POST", guarded.jobs, job)
    assert "`procMount`" in denied.json()["message"]


async def test_a_process_of_a_windows_host_is_denied(guarded: Account, unguarded: Account) -> None:
    job = changed(production_job(), "pod/hostNetwork", value=True)
    options = {"hostProcess": True, "runAsUserName": "NT AUTHORITY\\SYSTEM"}
    job = changed(job, "pod/securityContext/windowsOptions", options)
    job = changed(job, "bot/securityContext/allowPrivilegeEscalation", ABSENT)

    assert (await unguarded.attempt("POST", unguarded.jobs, job)).status_code == 201
    assert (await guarded.attempt("POST", guarded.jobs, job)).status_code == 422


async def test_a_job_that_selects_other_pods_is_denied(guarded: Account, unguarded: Account) -> None:
    """Its controller would adopt pods of others, and end them."""
    job = changed(production_job(), "job/manualSelector", value=True)
    job = changed(job, "job/selector", {"matchLabels": {"app.kubernetes.io/name": "podline-bot"}})

    assert (await unguarded.attempt("POST", unguarded.jobs, job)).status_code == 201
    denied = await guarded.attempt("POST", guarded.jobs, job)
    assert "`manualSelector`" in denied.json()["message"]


async def test_a_suspended_job_can_t_be_changed_into_what_would_have_been_denied(
    guarded: Account, unguarded: Account
) -> None:
    """The template of a Job that has not started can be changed in part."""
    patch = {"spec": {"template": {"metadata": {"labels": {"app.kubernetes.io/name": "podline-controller"}}}}}
    answers = []
    for account in (unguarded, guarded):
        await account.make_job(changed(production_job("waiting"), "job/suspend", value=True))
        path = f"{account.jobs}/waiting"
        answers.append(
            (await account.attempt("PATCH", path, patch, "application/merge-patch+json")).status_code
        )
        many = {"spec": {"parallelism": 50}}
        answers.append(
            (await account.attempt("PATCH", path, many, "application/merge-patch+json")).status_code
        )

    assert answers == [200, 200, 422, 422]
