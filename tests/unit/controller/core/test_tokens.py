"""Tokens, under a ring of secrets."""

from hypothesis import given
from hypothesis import strategies as st

from controller.core.tokens import Signer, split_token, with_token

FORMER, LATER = b"the secret until yesterday", b"the secret since today"
IDS = st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True)


@given(IDS, IDS, IDS, IDS)
def test_a_token_is_for_one_session_one_launch_and_one_purpose(
    session: str, launch: str, other_session: str, other_launch: str
) -> None:
    signer = Signer(LATER)
    token = signer.session_token(session, launch)

    is_same = (session, launch) == (other_session, other_launch)
    assert signer.is_session_token(token, other_session, other_launch) is is_same
    assert not signer.is_launch_token(token, launch)
    assert not signer.is_session_token(signer.launch_token(launch), session, launch)


def test_any_secret_of_the_ring_verifies_and_the_first_signs() -> None:
    former, later, ring = Signer(FORMER), Signer(LATER), Signer(LATER, FORMER)

    for signer in (former, later):
        assert ring.is_session_token(signer.session_token("s", "l"), "s", "l")
        assert ring.is_launch_token(signer.launch_token("l"), "l")
    assert later.is_session_token(ring.session_token("s", "l"), "s", "l")
    assert not former.is_session_token(ring.session_token("s", "l"), "s", "l")
    assert ring.address_tags("192.0.2.1") == (
        *later.address_tags("192.0.2.1"),
        *former.address_tags("192.0.2.1"),
    )


@given(IDS, st.text())
def test_an_id_with_a_token_is_split_where_it_was_joined(session_id: str, token: str) -> None:
    assert split_token(with_token(session_id, token)) == (session_id, token)
    assert split_token(session_id) == (session_id, None)


@given(st.text(st.characters(max_codepoint=0xFFFF)))
def test_whatever_is_given_for_a_token_is_merely_not_one(token: str) -> None:
    assert not Signer(LATER).is_session_token(token, "s", "l")


def test_controllers_know_each_other_while_their_secret_is_being_replaced() -> None:
    former, later, ring, other = Signer(FORMER), Signer(LATER), Signer(LATER, FORMER), Signer(b"another")

    assert former.is_replica_token(ring.replica_token())
    assert ring.is_replica_token(former.replica_token())
    assert later.is_replica_token(ring.replica_token())
    for signer in (former, later, ring):
        assert not signer.is_replica_token(other.replica_token())


@given(IDS)
def test_no_other_token_passes_for_a_controller_s(name: str) -> None:
    signer = Signer(LATER)

    assert signer.is_replica_token(signer.replica_token())
    for token in (signer.launch_token(name), signer.session_token(name, name), *signer.address_tags(name)):
        assert not signer.is_replica_token(token)
    for token in ("", ",", "replica", signer.replica_token()[:-1], signer.replica_token() + "0"):
        assert not signer.is_replica_token(token)
    assert not signer.is_launch_token(signer.replica_token(), "replica")
