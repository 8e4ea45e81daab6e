"""A version is a definition and its serial number."""

from controller.agents.versions import KEPT, Versions
from controller.core.agents import AgentDefinition


def definition(image: int) -> AgentDefinition:
    return AgentDefinition(name="shop", image=f"shop:{image}")


def test_a_change_a_forced_redeploy_and_a_rollback_are_versions() -> None:
    versions = Versions()
    assert versions.active is None

    deployed = [
        versions.deploy(definition(image), deployment)
        for image, deployment in [(1, "a"), (1, "a"), (2, "b"), (2, "c"), (1, "d")]
    ]

    assert [each and each.serial for each in deployed] == [1, None, 2, 3, 4]
    first, rolled_back = deployed[0], deployed[4]
    assert first is not None
    assert rolled_back is versions.active
    assert rolled_back is not None
    assert rolled_back.definition.hash == first.definition.hash
    assert rolled_back.id != first.id


def test_the_last_ten_versions_are_kept() -> None:
    versions = Versions(next_serial=8)
    made = [versions.deploy(definition(number), "") for number in range(12)]

    found = [versions.find(each.id) for each in made if each is not None]
    assert found == [None, None, *made[2:]]
    assert len(made[2:]) == KEPT
    assert versions.find("1-ffffffff") is None
