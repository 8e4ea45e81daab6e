/** The caller's microphone, or silence if there is none, so that typing works without one. */

const WHY_NOT: Record<string, string> = {
  NotAllowedError:
    "The microphone is blocked for this page. Allow it next to the address bar and call again, or just type.",
  NotFoundError: "No microphone was found. Plug one in and call again, or just type.",
  NotReadableError:
    "Another program seems to be using the microphone. Close it and call again, or just type.",
};
const NOT_SECURE =
  "Browsers allow the microphone only on https pages and localhost. Open this page over https, or just type.";
const OTHERWISE = "The microphone could not be opened. You can still type.";

export class Microphone {
  readonly #track: MediaStreamTrack;
  readonly #copies = new Set<MediaStreamTrack>();
  readonly #silence: AudioContext | null;

  /** `problem` is a sentence if the bot can't hear the caller. */
  private constructor(
    track: MediaStreamTrack,
    silence: AudioContext | null,
    readonly problem: string | null,
  ) {
    this.#track = track;
    this.#silence = silence;
  }

  /** Open the microphone, or silence. Never fails. */
  static async open(): Promise<Microphone> {
    // Missing on insecure pages, despite its type.
    if ((navigator.mediaDevices as MediaDevices | undefined) === undefined)
      return Microphone.#silent(NOT_SECURE);
    try {
      // A browser's noise suppression mistakes the hiss of an s for noise: "save" arrives as "ave".
      const audio = { echoCancellation: true, noiseSuppression: false, autoGainControl: true };
      const stream = await navigator.mediaDevices.getUserMedia({ audio });
      return new Microphone(stream.getAudioTracks()[0]!, null, null);
    } catch (error) {
      return Microphone.#silent(WHY_NOT[(error as DOMException).name] ?? OTHERWISE);
    }
  }

  static #silent(problem: string): Microphone {
    const context = new AudioContext();
    return new Microphone(
      context.createMediaStreamDestination().stream.getAudioTracks()[0]!,
      context,
      problem,
    );
  }

  /** Return a track to send. Each caller gets its own copy, because transports stop a track that they drop. */
  track(): MediaStreamTrack {
    const copy = this.#track.clone();
    copy.enabled = this.#track.enabled;
    this.#copies.add(copy);
    return copy;
  }

  mute(muted: boolean): void {
    for (const track of [this.#track, ...this.#copies]) track.enabled = !muted;
  }

  /** Call `notify` when the microphone disconnects, such as an unplugged headset. */
  onEnded(notify: () => void): void {
    this.#track.addEventListener("ended", notify);
  }

  close(): void {
    for (const track of [this.#track, ...this.#copies]) track.stop();
    void this.#silence?.close();
  }
}
