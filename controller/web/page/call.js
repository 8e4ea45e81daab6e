// One call: microphone, session, room, and the RTVI messages in it.

import { CallError } from "./faults.js";
import { openMicrophone, silentTrack, MicrophoneError } from "./microphone.js";
import { abandonSession, startSession } from "./requests.js";
import { dailyPage } from "./rooms/daily.js";
import { LiveKitRoom } from "./rooms/livekit.js";
import { WebRtcRoom } from "./rooms/webrtc.js";
import * as rtvi from "./rtvi.js";

const READY_WITHIN_MS = 10_000; // from the connection to the bot's own word that it is ready
const WRONG = "Something on this page went wrong. Please reload it and call again.";

/**
 * Events, each with its content in `detail`:
 * `state` one of microphone, starting, connecting, live, elsewhere, ended; `session` its id and token as ID~TOKEN;
 * `track` {side: "you" | "bot", track}; `microphone` a sentence if there is none, otherwise null;
 * `sent` and `received` {raw, message}, the latter null if it is no RTVI message; `shaky` true while the connection is
 * interrupted; `elsewhere` the address of the page where the call takes place; `wordless` if the bot sends no messages;
 * `ended` {by: "caller" | "bot" | "lost" | "failed", fault}, once and last; the fault is a CallError or null.
 *
 * A room reports `ready` when messages can be sent, `connected`, `track`, `message` (a text as received), `shaky`,
 * `left` when the bot went, and `lost` with a CallError or null.
 */
export class Call extends EventTarget {
  sessionId = null;
  #audioContext;
  #agent;
  #microphoneId;
  #room = null;
  #track = null;
  #muted = false;
  #connected = false;
  #isElsewhere = false;
  #live = false;
  #ended = false;
  #waiting = 0;
  #abort = new AbortController();

  /** `agent` is a name, or null for the default; `microphoneId` a device's id, "" for the browser's default. */
  constructor(audioContext, agent, microphoneId) {
    super();
    this.#audioContext = audioContext;
    this.#agent = agent;
    this.#microphoneId = microphoneId;
  }

  /** Start the session and connect. Any error ends the call; none is thrown. */
  async start() {
    try {
      this.#emit("state", "microphone");
      await this.#openTrack();
      this.#emit("state", "starting");
      const answer = await startSession(this.#agent, this.#abort.signal);
      this.sessionId = answer.sessionId;
      if (this.#ended) {
        abandonSession(this.sessionId);
        return;
      }
      this.#emit("session", answer.sessionId);
      if (answer.dailyRoom) this.#goElsewhere(answer);
      else await this.#connect(answer);
    } catch (error) {
      if (this.#ended) return;
      const details = [["Detail", `${error.name}: ${error.message}`]];
      this.#end("failed", error instanceof CallError ? error : new CallError(WRONG, { isGuess: true, details }));
    }
  }

  sendText(text) {
    this.#send(rtvi.sendText(text));
  }

  mute(muted) {
    this.#muted = muted;
    this.#track.enabled = !muted;
  }

  /** Use another microphone, or try the same one again, in the middle of a call. */
  async useMicrophone(deviceId) {
    this.#microphoneId = deviceId;
    const before = this.#track;
    await this.#openTrack();
    if (this.#track === before) return;
    await this.#room?.replaceTrack(this.#track);
    before?.stop();
  }

  /** End the call at once, without waiting for anything: the page may be going away. */
  hangUp() {
    if (this.#isElsewhere) abandonSession(this.sessionId);
    this.#end("caller", null);
  }

  /** End the call because the session's record says that it is over. */
  recordEnded() {
    this.#end("bot", null);
  }

  /** End the call because both its connection and its controller are gone. */
  breakOff() {
    this.#end("lost", null);
  }

  async #openTrack() {
    let problem = null;
    try {
      const track = await openMicrophone(this.#microphoneId);
      track.addEventListener("ended", () => {
        if (track === this.#track) this.#emit("microphone", "The microphone was disconnected. You can still type.");
      });
      this.#track = track;
    } catch (error) {
      if (!(error instanceof MicrophoneError)) throw error;
      problem = error.message;
      this.#track ??= silentTrack(this.#audioContext);
    }
    if (this.#ended) {
      this.#track.stop();
      return;
    }
    this.#track.enabled = !this.#muted;
    this.#emit("microphone", problem);
    this.#emit("track", { side: "you", track: this.#track });
  }

  async #connect(answer) {
    this.#emit("state", "connecting");
    const room = answer.url ? await LiveKitRoom.load(answer) : new WebRtcRoom(answer);
    if (this.#ended) {
      room.close();
      return;
    }
    this.#room = room;
    room.addEventListener("connected", () => this.#nowConnected());
    room.addEventListener("ready", () => this.#send(rtvi.clientReady()));
    room.addEventListener("message", ({ detail }) => this.#receive(detail));
    room.addEventListener("track", ({ detail }) => this.#emit("track", { side: "bot", track: detail }));
    room.addEventListener("shaky", ({ detail }) => this.#emit("shaky", detail));
    room.addEventListener("left", () => this.#end("bot", null));
    room.addEventListener("lost", ({ detail }) => this.#end(this.#connected ? "lost" : "failed", detail));
    await room.connect(this.#track);
  }

  #goElsewhere(answer) {
    const page = dailyPage(answer);
    if (page === null) {
      throw new CallError("The call can’t be opened. Please tell the people who run this page.", {
        details: [["Detail", "The controller named a room that a browser can’t open: its address is not https."]],
      });
    }
    this.#isElsewhere = true;
    this.#track.stop();
    this.#emit("state", "elsewhere");
    this.#emit("elsewhere", page);
  }

  #nowConnected() {
    this.#connected = true;
    this.#waiting = setTimeout(() => {
      this.#emit("wordless", null);
      this.#nowLive();
    }, READY_WITHIN_MS);
  }

  #nowLive() {
    clearTimeout(this.#waiting);
    if (this.#live) return;
    this.#live = true;
    this.#emit("state", "live");
  }

  #receive(raw) {
    const message = rtvi.parse(raw);
    if (message?.type === "bot-ready") this.#nowLive();
    this.#emit("received", { raw, message });
  }

  #send(message) {
    const raw = JSON.stringify(message);
    this.#room?.send(raw);
    this.#emit("sent", { raw, message });
  }

  #end(by, fault) {
    if (this.#ended) return;
    this.#ended = true;
    this.#abort.abort();
    clearTimeout(this.#waiting);
    this.#room?.close();
    this.#track?.stop();
    if (this.sessionId !== null && !this.#connected && !this.#isElsewhere) abandonSession(this.sessionId);
    this.#emit("state", "ended");
    this.#emit("ended", { by, fault });
  }

  #emit(type, detail) {
    if (this.#ended && type !== "state" && type !== "ended") return;
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
