// What is known of the session itself: id, agent, room, record, cost.

import { clipped, figure, number } from "./text.js";

const LONGEST = 400;
const MOST_MODELS = 20;
const STAGES = [
  ["Launched", "launched"],
  ["Bot’s process up", "process_up"],
  ["Bot in the room", "joined"],
  ["You in the room", "caller_joined"],
  ["First words", "first_speech"],
  ["Ended", "ended"],
];

export class Facts {
  #session;
  #models;
  #timeline;
  #note;
  #copy;
  #known = {};

  /** `session`, `models` and `timeline` are <dl>; `copy` copies the session's id. */
  constructor({ session, models, timeline, note, copy }) {
    this.#session = session;
    this.#models = models;
    this.#timeline = timeline;
    this.#note = note;
    this.#copy = copy;
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(this.#known.Session).catch(() => {});
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy id"), 2000);
    });
  }

  begin() {
    this.#known = {};
    this.#models.replaceChildren();
    this.#timeline.replaceChildren();
    this.#note.hidden = false;
    this.#show();
  }

  /** Add what becomes known, by its label. Null is not known. */
  know(facts) {
    for (const [label, value] of Object.entries(facts)) {
      if (value === null || value === undefined || value === "") continue;
      this.#known[label] = clipped(String(value), LONGEST);
    }
    this.#show();
  }

  /** Take the session's record as the API shows it. */
  read(record) {
    this.#note.hidden = true;
    this.know({
      Agent: record.agent,
      Version: record.agent_version,
      Room: record.room?.provider,
      Phase: record.phase,
      Reason: record.reason,
      Explanation: record.message,
      Turns: record.usage?.turns,
      Interruptions: record.usage?.interruptions,
      Cost: costOf(record.cost),
    });
    const models = modelsOf(record.usage ?? {}).slice(0, MOST_MODELS);
    this.#models.replaceChildren(...models.map(([name, used]) => figure(clipped(name, LONGEST), usageOf(used))));
    this.#timeline.replaceChildren(...stagesOf(record.timeline ?? {}));
  }

  #show() {
    this.#copy.hidden = this.#known.Session === undefined;
    this.#session.replaceChildren(
      ...Object.entries(this.#known).map(([label, value]) => {
        const pair = figure(label, value);
        if (label === "Session" || label === "Reason") pair.lastElementChild.classList.add("exact");
        return pair;
      }),
    );
  }
}

/** Return what a record's cost amounts to, in words; null if it is not known. */
export function costOf(cost) {
  if (typeof cost?.amount !== "number") return null;
  const partly = cost.unpriced_models?.length ? ", not counting models without a price" : "";
  const { currency } = cost;
  try {
    const style = { style: "currency", currency, maximumSignificantDigits: 3 };
    return new Intl.NumberFormat(undefined, style).format(cost.amount) + partly;
  } catch {
    return `${cost.amount.toPrecision(3)} ${currency}${partly}`; // a currency the browser doesn't know
  }
}

/** Return pairs of a model's name and its usage, with the service's where the bot says which it was. */
function modelsOf({ models = {}, services = {} }) {
  const ofServices = Object.entries(services).flatMap(([service, { models: own = {} }]) =>
    Object.entries(own).map(([model, used]) => [model === service ? service : `${service}, ${model}`, used]),
  );
  return ofServices.length > 0 ? ofServices : Object.entries(models);
}

function usageOf({ prompt_tokens: prompt, completion_tokens: completion, audio_seconds: seconds, characters }) {
  const used = [
    prompt > 0 || completion > 0 ? `${number(prompt ?? 0)} tokens in, ${number(completion ?? 0)} out` : "",
    seconds > 0 ? `${seconds.toFixed(1)} s of sound` : "",
    characters > 0 ? `${number(characters)} characters` : "",
  ].filter(Boolean);
  return used.join(", ") || "nothing yet";
}

function stagesOf(timeline) {
  const began = Date.parse(timeline.accepted);
  return STAGES.filter(([, stage]) => timeline[stage]).map(([label, stage]) =>
    figure(label, `${((Date.parse(timeline[stage]) - began) / 1000).toFixed(2)} s`),
  );
}
