// How quickly each of the bot's services answers, and what it has used: from the bot's metrics messages.

import { clipped, duration, element, figure, median, number, objects, quantity } from "./text.js";

const MOST_SERVICES = 30;
const MOST_SAMPLES = 200;
const MOST_IN_A_MESSAGE = 100;
const LONGEST_NAME = 80;
const LONGEST_SECONDS = 86_400;
const TOKENS = [
  ["Tokens in", "prompt_tokens"],
  ["of these, cached", "cache_read_input_tokens"],
  ["Tokens out", "completion_tokens"],
  ["of these, thinking", "reasoning_tokens"],
];

export class Services {
  #answers;
  #rows;
  #tokens;
  #note;
  #answerTimes = [];
  #services = new Map(); // name -> {model, firstBytes, processing, characters, audioSeconds}
  #used = {};

  /** `answers` and `tokens` are <dl>; `rows` is a <tbody>. */
  constructor({ answers, rows, tokens, note }) {
    this.#answers = answers;
    this.#rows = rows;
    this.#tokens = tokens;
    this.#note = note;
  }

  begin() {
    this.#answerTimes = [];
    this.#services.clear();
    this.#used = {};
    this.#show();
  }

  answeredAfter(seconds) {
    keep(this.#answerTimes, seconds);
    this.#show();
  }

  /** Take a metrics message's data. Pipecat names a service in all but `tokens`. */
  measured(data) {
    for (const each of objects(data.ttfb, MOST_IN_A_MESSAGE)) {
      // A bot sends zeros at its start, to name its services.
      const seconds = quantity(each.value, LONGEST_SECONDS);
      const service = this.#service(each);
      if (seconds) keep(service?.firstBytes, seconds);
    }
    for (const each of objects(data.processing, MOST_IN_A_MESSAGE)) {
      const seconds = quantity(each.value, LONGEST_SECONDS);
      if (seconds) keep(this.#service(each)?.processing, seconds);
    }
    for (const each of objects(data.characters, MOST_IN_A_MESSAGE)) {
      const service = this.#service(each);
      if (service) service.characters += quantity(each.value) ?? 0;
    }
    for (const each of objects(data.stt_usage, MOST_IN_A_MESSAGE)) {
      const service = this.#service(each);
      if (service) service.audioSeconds += quantity(each.value?.audio_seconds) ?? 0;
    }
    for (const each of objects(data.tokens, MOST_IN_A_MESSAGE)) {
      for (const [, name] of TOKENS) this.#used[name] = (this.#used[name] ?? 0) + (quantity(each[name]) ?? 0);
    }
    this.#show();
  }

  #service({ processor, model }) {
    // Pipecat numbers a class's processors: "OpenAILLMService#0".
    const name = clipped(processor, LONGEST_NAME).replace(/#0$/, "");
    if (name === "") return null;
    const known = this.#services.get(name);
    if (known) {
      known.model = clipped(model, LONGEST_NAME) || known.model;
      return known;
    }
    if (this.#services.size === MOST_SERVICES) return null;
    const made = { model: clipped(model, LONGEST_NAME), firstBytes: [], processing: [], characters: 0, audioSeconds: 0 };
    this.#services.set(name, made);
    return made;
  }

  #show() {
    const times = this.#answerTimes;
    this.#answers.replaceChildren(
      ...(times.length === 0
        ? []
        : [figure("Last", duration(times.at(-1))), figure("Median", duration(median(times))), figure("Slowest", duration(Math.max(...times)))]),
    );
    this.#rows.replaceChildren(...[...this.#services].map(([name, service]) => row(name, service)));
    this.#rows.closest("table").hidden = this.#services.size === 0;
    const used = TOKENS.filter(([, name]) => this.#used[name] > 0);
    this.#tokens.replaceChildren(...used.map(([label, name]) => figure(label, number(this.#used[name]))));
    this.#note.hidden = this.#services.size > 0 || used.length > 0;
  }
}

function row(name, { model, firstBytes, processing, characters, audioSeconds }) {
  const made = element("tr");
  const head = element("th", "", name);
  head.scope = "row";
  if (model !== "") head.append(element("span", "model", model));
  const used = [
    characters > 0 ? `${number(characters)} characters` : "",
    audioSeconds > 0 ? `${audioSeconds.toFixed(1)} s of sound` : "",
  ].filter(Boolean);
  if (used.length > 0) head.append(element("span", "model", used.join(", ")));
  made.append(head, times(firstBytes), times(processing));
  return made;
}

function times(samples) {
  const cell = element("td");
  if (samples.length === 0) {
    cell.textContent = "–";
    return cell;
  }
  cell.append(element("span", "last", duration(samples.at(-1))));
  if (samples.length > 1) cell.append(element("span", "model", `median ${duration(median(samples))}`));
  return cell;
}

function keep(samples, sample) {
  if (!samples) return;
  samples.push(sample);
  if (samples.length > MOST_SAMPLES) samples.shift();
}
