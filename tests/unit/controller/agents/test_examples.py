"""The agents in examples/agents are what a controller of this machine serves from there."""

from controller.agents.files import AgentFiles
from controller.core.agents import GoodbyeRule
from testing.processes import ROOT


def test_the_cascaded_example_is_an_agent() -> None:
    agents = {status.name: status for status in AgentFiles(ROOT / "examples" / "agents").all()}
    cascade = agents["cascade"]
    assert cascade.problem is None
    assert cascade.version is not None
    definition = cascade.version.definition
    assert (definition.secret_set, definition.max_agents) == ("cascade", 10)
    assert definition.goodbye == GoodbyeRule(sentence="I am sorry, our time is up. Goodbye!")
