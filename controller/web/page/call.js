// One call: microphone, session, peer connection, and the RTVI messages on its data channel.

import { openMicrophone, silentTrack, MicrophoneError } from "./microphone.js";
import { abandonSession, CallError, readEndedSession, sendCandidates, sendOffer, startSession } from "./signalling.js";

const RTVI_LABEL = "rtvi-ai";
const RTVI_VERSION = "2.2.0";
const PING_MS = 1000; // Pipecat considers a caller gone after 3 s without one
const GATHERING_MS = 800; // later candidates follow by PATCH

/**
 * Events, each with its content in `detail`:
 * `state` one of microphone, starting, connecting, live, ended;
 * `track` {side: "you" | "bot", track}; `microphone` a sentence if there is none, otherwise null;
 * `message` an RTVI message {type, data}; `shaky` true while the connection is interrupted;
 * `ended` {by: "caller" | "bot" | "lost" | "failed", sentence}, once and last; the sentence may be null.
 */
export class Call extends EventTarget {
  sessionId = null;
  #audioContext;
  #connection = null;
  #channel = null;
  #sender = null;
  #track = null;
  #muted = false;
  #pcId = null;
  #lateCandidates = [];
  #ping = 0;
  #sent = 0;
  #connected = false;
  #ended = false;
  #abort = new AbortController();

  constructor(audioContext) {
    super();
    this.#audioContext = audioContext;
  }

  /** Start the session and connect. Any error ends the call; none is thrown. */
  async start() {
    try {
      this.#emit("state", "microphone");
      await this.#openTrack();
      this.#emit("state", "starting");
      const { sessionId, iceConfig } = await startSession(this.#abort.signal);
      this.sessionId = sessionId;
      if (this.#ended) {
        abandonSession(sessionId);
        return;
      }
      this.#emit("state", "connecting");
      await this.#connect(iceConfig?.iceServers ?? []);
    } catch (error) {
      if (this.#ended) return;
      this.#end("failed", error instanceof CallError ? error.message : `The call could not start: ${error.message}`);
    }
  }

  sendText(text) {
    this.#send("send-text", { content: text, options: { run_immediately: true, audio_response: true } });
  }

  mute(muted) {
    this.#muted = muted;
    this.#track.enabled = !muted;
  }

  /** Replace the silent track with the microphone, in the middle of a call. */
  async retryMicrophone() {
    await this.#openTrack();
    await this.#sender?.replaceTrack(this.#track);
  }

  /** End the call at once, without waiting for anything: the page may be going away. */
  hangUp() {
    this.#end("caller", null);
  }

  async #openTrack() {
    let problem = null;
    try {
      this.#track = await openMicrophone();
      this.#track.addEventListener("ended", () => this.#emit("microphone", "The microphone was disconnected. You can still type."));
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

  async #connect(iceServers) {
    const connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.#connection = connection;
    // Pipecat treats the first transceiver as the caller's audio.
    this.#sender = connection.addTransceiver(this.#track, { direction: "sendrecv" }).sender;
    this.#openChannel(connection.createDataChannel("chat", { ordered: true }));
    connection.addEventListener("track", ({ track }) => this.#emit("track", { side: "bot", track }));
    connection.addEventListener("connectionstatechange", () => this.#connectionChanged(connection.connectionState));
    connection.addEventListener("icecandidate", ({ candidate }) => this.#candidateFound(candidate));
    await this.#negotiate();
  }

  async #negotiate() {
    const connection = this.#connection;
    await connection.setLocalDescription();
    await gathered(connection);
    this.#lateCandidates = [];
    const offer = { sdp: connection.localDescription.sdp, type: connection.localDescription.type };
    if (this.#pcId !== null) offer.pc_id = this.#pcId;
    const answer = await sendOffer(this.sessionId, offer, this.#abort.signal);
    if (this.#ended) return;
    await connection.setRemoteDescription({ sdp: answer.sdp, type: answer.type });
    this.#pcId = answer.pc_id;
    this.#sendLateCandidates();
  }

  #candidateFound(candidate) {
    if (!candidate?.candidate) return;
    this.#lateCandidates.push(candidate);
    if (this.#pcId !== null) this.#sendLateCandidates();
  }

  #sendLateCandidates() {
    const candidates = this.#lateCandidates.splice(0);
    if (candidates.length === 0) return;
    // A lost candidate is one path fewer; the connection's own state shows whether another works.
    sendCandidates(this.sessionId, this.#pcId, candidates, this.#abort.signal).catch(() => {});
  }

  #connectionChanged(state) {
    if (state === "connected") this.#connected = true;
    this.#emit("shaky", state === "disconnected");
    if (state === "disconnected") this.#askWhetherEnded();
    if (state === "failed") {
      this.#end("lost", this.#connected ? null : "Your browser found no path to the assistant: a network in between blocks the connection.");
    }
  }

  // A browser gives up a dead peer after half a minute; the controller knows sooner.
  async #askWhetherEnded() {
    const session = await readEndedSession(this.sessionId);
    if (session !== null) this.#end("bot", null);
  }

  #openChannel(channel) {
    this.#channel = channel;
    channel.addEventListener("open", () => {
      this.#sendPing();
      this.#ping = setInterval(() => this.#sendPing(), PING_MS);
      this.#send("client-ready", {
        version: RTVI_VERSION,
        about: { library: "podline-page", platform: "web" },
      });
    });
    channel.addEventListener("message", ({ data }) => this.#receive(JSON.parse(data)));
    channel.addEventListener("close", () => this.#end("lost", null));
  }

  #receive(message) {
    if (message.type === "signalling") {
      this.#receiveSignal(message.message);
    } else if (message.label === RTVI_LABEL) {
      if (message.type === "bot-ready") this.#emit("state", "live");
      this.#emit("message", { type: message.type, data: message.data ?? {} });
    }
  }

  #receiveSignal(signal) {
    if (signal.type === "peerLeft") {
      this.#end("bot", null);
    } else if (signal.type === "renegotiate") {
      this.#negotiate().catch((error) => this.#end("lost", error.message));
    }
  }

  #sendPing() {
    if (this.#channel.readyState === "open") this.#channel.send(`ping: ${Date.now()}`);
  }

  #send(type, data) {
    if (this.#channel?.readyState !== "open") return;
    this.#sent += 1;
    this.#channel.send(JSON.stringify({ label: RTVI_LABEL, type, id: `${type}-${this.#sent}`, data }));
  }

  #end(by, sentence) {
    if (this.#ended) return;
    this.#ended = true;
    this.#abort.abort();
    clearInterval(this.#ping);
    this.#connection?.close();
    this.#track?.stop();
    if (this.sessionId !== null && !this.#connected) abandonSession(this.sessionId);
    this.#emit("state", "ended");
    this.#emit("ended", { by, sentence });
  }

  #emit(type, detail) {
    if (this.#ended && type !== "state" && type !== "ended") return;
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function gathered(connection) {
  if (connection.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHERING_MS);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState === "complete") resolve();
    });
  });
}
