// The choice of a microphone and, where the browser allows it, of a speaker.

const MOST_DEVICES = 50;

/** Event `microphone` when another one is chosen, with its id in `detail`. */
export class Devices extends EventTarget {
  #microphones;
  #speakers;

  /** `microphones` and `speakers` are <select> elements; `voice` plays the bot; `note` says why there is no choice. */
  constructor({ microphones, speakers, voice, note }) {
    super();
    this.#microphones = microphones;
    this.#speakers = speakers;
    const choosesSpeaker = typeof voice.setSinkId === "function";
    speakers.parentElement.hidden = !choosesSpeaker;
    if (!choosesSpeaker) note.textContent = "This browser plays sound on the device that your system uses.";
    microphones.addEventListener("change", () => {
      this.dispatchEvent(new CustomEvent("microphone", { detail: microphones.value }));
    });
    speakers.addEventListener("change", async () => {
      try {
        await voice.setSinkId(speakers.value);
        note.textContent = "";
      } catch {
        note.textContent = "That speaker can’t be used. Sound still plays on the one before.";
      }
    });
    navigator.mediaDevices?.addEventListener("devicechange", () => this.refresh());
    this.refresh();
  }

  get microphone() {
    return this.#microphones.value;
  }

  /** List the devices again: browsers name them only once the microphone has been allowed. */
  async refresh() {
    const found = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    fill(this.#microphones, found.filter(({ kind }) => kind === "audioinput"));
    fill(this.#speakers, found.filter(({ kind }) => kind === "audiooutput"));
  }
}

function fill(select, devices) {
  const chosen = select.value;
  const named = devices.filter(({ deviceId, label }) => label !== "" && !["", "default"].includes(deviceId));
  select.replaceChildren(
    new Option("System default", ""),
    ...named.slice(0, MOST_DEVICES).map(({ deviceId, label }) => new Option(label, deviceId)),
  );
  if ([...select.options].some(({ value }) => value === chosen)) select.value = chosen;
  select.disabled = named.length === 0;
}
