// Tabs, with the keyboard's arrows as ARIA describes them: https://www.w3.org/WAI/ARIA/apg/patterns/tabs/

const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

/** Event `shown` when a tab is chosen, with the id of its panel in `detail`. */
export class Tabs extends EventTarget {
  #list;

  constructor(list) {
    super();
    this.#list = list;
    list.addEventListener("click", ({ target }) => {
      const tab = target.closest("[role=tab]");
      if (tab !== null) this.choose(tab);
    });
    list.addEventListener("keydown", (event) => this.#move(event));
  }

  choose(chosen) {
    for (const tab of this.#list.querySelectorAll("[role=tab]")) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      panelOf(tab).hidden = tab !== chosen;
    }
    this.#list.scrollLeft = chosen.offsetLeft - this.#list.offsetLeft - this.#list.clientWidth / 3; // on a phone
    this.dispatchEvent(new CustomEvent("shown", { detail: panelOf(chosen).id }));
  }

  /** Offer a tab or take it away. If it was chosen, the first of those left is. */
  offer(tab, offered) {
    tab.hidden = !offered;
    if (!offered && tab.getAttribute("aria-selected") === "true") this.choose(this.#offered()[0]);
  }

  #move(event) {
    const tabs = this.#offered();
    const at = tabs.indexOf(document.activeElement);
    const ends = { Home: 0, End: tabs.length - 1 };
    const to = ends[event.key] ?? (at + (STEPS[event.key] ?? NaN) + tabs.length) % tabs.length;
    if (at < 0 || Number.isNaN(to)) return;
    event.preventDefault();
    this.choose(tabs[to]);
    tabs[to].focus();
  }

  #offered() {
    return [...this.#list.querySelectorAll("[role=tab]:not([hidden])")];
  }
}

function panelOf(tab) {
  return document.getElementById(tab.getAttribute("aria-controls"));
}
