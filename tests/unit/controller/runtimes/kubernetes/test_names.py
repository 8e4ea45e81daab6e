"""Names and labels are Kubernetes' own kind for any id, and no two ids share one."""

import re

from hypothesis import assume, given
from hypothesis import strategies as st

from controller.runtimes.kubernetes.names import job_name, label_value

IDS = st.from_regex(r"[A-Za-z0-9._~-]{1,128}", fullmatch=True).filter(lambda text: text not in (".", ".."))
USERS = st.text(min_size=1, max_size=128).filter(str.isprintable)
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@given(IDS)
def test_a_name_is_a_dns_label_with_room_for_what_a_pod_adds(session_id: str) -> None:
    name = job_name(session_id)

    assert DNS_LABEL.fullmatch(name)
    assert len(name) <= 40


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True))
def test_an_id_that_is_a_short_dns_label_is_the_name_itself(session_id: str) -> None:
    assert job_name(session_id) == session_id


@given(IDS, IDS)
def test_different_ids_have_different_names(one: str, other: str) -> None:
    assume(one != other)
    assert job_name(one) != job_name(other)


@given(IDS)
def test_ids_that_differ_in_case_only_have_different_names(session_id: str) -> None:
    assume(session_id.swapcase() != session_id)
    assert job_name(session_id) != job_name(session_id.swapcase())


@given(USERS)
def test_a_label_fits_for_any_user(user_id: str) -> None:
    assert LABEL_VALUE.fullmatch(label_value(user_id))


@given(st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", fullmatch=True))
def test_a_user_who_makes_a_label_is_the_label_itself(user_id: str) -> None:
    assert label_value(user_id) == user_id


def test_a_derived_name_can_still_be_recognised() -> None:
    assert job_name("Cart_7 of Ana!").startswith("cart-7-of-ana-")
    assert label_value("ana@shop.example").startswith("ana-shop-example-")
