// The agents that this page may start, and the one that is chosen.

import { CallError } from "./faults.js";
import { readStartable } from "./requests.js";

/** Event `chosen` with the agent {name, has_panel} in `detail`. */
export class Agents extends EventTarget {
  #select;
  #agents = [];

  constructor(select) {
    super();
    this.#select = select;
    select.addEventListener("change", () => this.#choose(select.value));
  }

  /** Read the list and choose the agent that the page's address names (?agent=NAME), otherwise the default. */
  async load() {
    const { agents, default: usual } = await readStartable().catch((error) => {
      if (error instanceof CallError) return { agents: [], default: null };
      throw error;
    });
    this.#agents = agents;
    this.#select.replaceChildren(...agents.map(({ name }) => new Option(name, name)));
    const wished = new URLSearchParams(location.search).get("agent");
    const first = [wished, usual, agents[0]?.name].find((name) => agents.some((each) => each.name === name));
    if (first !== undefined) this.#select.value = first;
    this.#select.parentElement.hidden = agents.length === 0;
    this.#announce();
  }

  /** Return the chosen agent; without a list the controller starts its default. */
  get chosen() {
    return this.#agents.find(({ name }) => name === this.#select.value) ?? { name: null, has_panel: false };
  }

  set disabled(disabled) {
    this.#select.disabled = disabled;
  }

  #choose(name) {
    const address = new URL(location.href);
    address.searchParams.set("agent", name);
    history.replaceState(null, "", address);
    this.#announce();
  }

  #announce() {
    this.dispatchEvent(new CustomEvent("chosen", { detail: this.chosen }));
  }
}
