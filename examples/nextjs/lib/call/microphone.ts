/** The caller's microphone, and silence in its place where there is none: typing works without. */

const WHY_NOT: Record<string, string> = {
  NotAllowedError:
    "The microphone is blocked for this page. Allow it beside the address bar and call again, or just type.",
  NotFoundError: "No microphone was found. Plug one in and call again, or just type.",
  NotReadableError: "Another program seems to hold the microphone. Close it and call again, or just type.",
};
const NOT_SECURE =
  "Browsers give the microphone to https pages and localhost only. Open this page by https, or just type.";
const OTHERWISE = "The microphone could not be opened. You can still type.";

export class Microphone {
  readonly #track: MediaStreamTrack;
  readonly #copies = new Set<MediaStreamTrack>();
  readonly #silence: AudioContext | null;

  /** `problem` is a sentence where nothing can be heard. */
  private constructor(
    track: MediaStreamTrack,
    silence: AudioContext | null,
    readonly problem: string | null,
  ) {
    this.#track = track;
    this.#silence = silence;
  }

  /** Ask for the microphone. Never fails. */
  static async open(): Promise<Microphone> {
    // Missing on pages that are not secure, whatever the types say.
    if ((navigator.mediaDevices as MediaDevices | undefined) === undefined)
      return Microphone.#silent(NOT_SECURE);
    try {
      // A browser's noise suppression takes the hiss of an s for noise: "save" arrives as "ave".
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

  /** A track to send. Each user gets one of its own, for transports stop the track that they no longer need. */
  track(): MediaStreamTrack {
    const copy = this.#track.clone();
    copy.enabled = this.#track.enabled;
    this.#copies.add(copy);
    return copy;
  }

  mute(muted: boolean): void {
    for (const track of [this.#track, ...this.#copies]) track.enabled = !muted;
  }

  /** Called when the microphone goes away by itself, such as a headset that is unplugged. */
  onEnded(tell: () => void): void {
    this.#track.addEventListener("ended", tell);
  }

  close(): void {
    for (const track of [this.#track, ...this.#copies]) track.stop();
    void this.#silence?.close();
  }
}
