from dataclasses import replace

from controller.core.agents import AgentDefinition, AgentVersion, GoodbyeRule
from controller.core.start_request import StartRequest

SHOP = AgentDefinition(name="shop", image="shop:1", goodbye=GoodbyeRule(request="Say goodbye."))


def test_a_hash_covers_what_is_given_and_nothing_else() -> None:
    assert SHOP.given() == {
        "name": "shop",
        "image": "shop:1",
        "goodbye": {"request": "Say goodbye.", "sentence": None},
    }
    assert SHOP.hash == AgentDefinition(**{**SHOP.given(), "goodbye": SHOP.goodbye}).hash
    assert SHOP.hash != replace(SHOP, image="shop:2").hash
    assert SHOP.hash != replace(SHOP, name="stop").hash


def test_a_version_is_named_by_its_serial_number_and_its_hash() -> None:
    first, again = (AgentVersion(definition=SHOP, serial=serial) for serial in (1, 3))
    assert first.id == f"1-{SHOP.hash[:8]}"
    assert first.id != again.id
    # Stays as it is: sessions on Jobs name it.
    assert AgentVersion(definition=AgentDefinition(name="shopping"), serial=1).id == "1-9f33c60a"


def test_a_request_without_agent_and_body_has_the_hash_of_releases_without_agents() -> None:
    request = StartRequest(user_id="ana", max_duration_seconds=60)
    assert request.hash == "278c50a685d5534e9899512736acdad82e1cd7cd5d008c564c4c0b1480533d1e"
    assert replace(request, agent="shopping").hash == request.hash
    others = [replace(request, agent="shop"), replace(request, body="{}"), replace(request, body="null")]
    assert len({request.hash, *(each.hash for each in others)}) == 4
