"""What the node's bench reads of kubelets."""

from __future__ import annotations

from scripts.benchmarks.node.kubelets import counts_in, seconds_each

METRICS = """
# TYPE kubelet_runtime_operations_duration_seconds histogram
kubelet_runtime_operations_duration_seconds_bucket{operation_type="run_podsandbox",le="0.005"} 0
kubelet_runtime_operations_duration_seconds_sum{operation_type="run_podsandbox"} 1.5
kubelet_runtime_operations_duration_seconds_count{operation_type="run_podsandbox"} 5
kubelet_runtime_operations_duration_seconds_sum{operation_type="list_containers"} 9
kubelet_runtime_operations_duration_seconds_count{operation_type="list_containers"} 90
"""


def test_the_counts_of_several_kubelets_are_one() -> None:
    assert counts_in(METRICS + METRICS)["run_podsandbox"] == (3.0, 10.0)


def test_an_operation_s_average_is_of_what_happened_between_two_counts() -> None:
    before = counts_in(METRICS)
    after = {**before, "run_podsandbox": (2.1, 8.0)}

    assert {name: round(each, 3) for name, each in seconds_each(before, after).items()} == {
        "run_podsandbox": 0.2
    }
