// A call straight to the bot, as Pipecat's SmallWebRTC transport expects it.

import { CallError, cutOff, noPath } from "../faults.js";
import { askEnd, pause, sendCandidates, sendOffer } from "../requests.js";

const PING_MS = 1000; // Pipecat considers a caller gone after 3 s without one
const GATHERING_MS = 800; // later candidates follow by PATCH
const ASK_MS = 1000; // a browser takes half a minute to give up a connection to a bot that is gone

/** A room; see `Call` for what it reports. */
export class WebRtcRoom extends EventTarget {
  #sessionId;
  #connection;
  #channel = null;
  #sender = null;
  #pcId = null;
  #lateCandidates = [];
  #ping = 0;
  #connected = false;
  #abort = new AbortController();

  constructor({ sessionId, iceConfig }) {
    super();
    this.#sessionId = sessionId;
    const iceServers = iceConfig?.iceServers ?? [];
    this.#connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
  }

  async connect(track) {
    const connection = this.#connection;
    // Pipecat treats the first transceiver as the caller's audio.
    this.#sender = connection.addTransceiver(track, { direction: "sendrecv" }).sender;
    this.#openChannel(connection.createDataChannel("chat", { ordered: true }));
    connection.addEventListener("track", (event) => this.#emit("track", event.track));
    connection.addEventListener("connectionstatechange", () => this.#connectionChanged(connection.connectionState));
    connection.addEventListener("icecandidate", ({ candidate }) => this.#candidateFound(candidate));
    await this.#negotiate();
    this.#noticeEnd().catch(() => {});
  }

  async replaceTrack(track) {
    await this.#sender?.replaceTrack(track);
  }

  send(text) {
    if (this.#channel?.readyState === "open") this.#channel.send(text);
  }

  close() {
    this.#abort.abort();
    clearInterval(this.#ping);
    this.#connection.close();
  }

  async #negotiate() {
    const connection = this.#connection;
    await connection.setLocalDescription();
    await gathered(connection);
    this.#lateCandidates = [];
    const offer = { sdp: connection.localDescription.sdp, type: connection.localDescription.type };
    if (this.#pcId !== null) offer.pc_id = this.#pcId;
    const answer = await sendOffer(this.#sessionId, offer, this.#abort.signal);
    if (this.#abort.signal.aborted) return;
    await connection.setRemoteDescription({ sdp: answer.sdp, type: answer.type });
    this.#pcId = answer.pc_id;
    this.#sendLateCandidates();
  }

  /** Ask whether the session has ended, until the connection to its bot stands. */
  async #noticeEnd() {
    const { signal } = this.#abort;
    await pause(ASK_MS, signal);
    while (!this.#connected) {
      const refusal = await askEnd(this.#sessionId, signal);
      if (refusal !== null) return this.#emit("lost", refusal);
      await pause(ASK_MS, signal);
    }
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
    sendCandidates(this.#sessionId, this.#pcId, candidates, this.#abort.signal).catch(() => {});
  }

  #connectionChanged(state) {
    if (state === "connected") {
      this.#connected = true;
      this.#emit("connected", null);
    }
    this.#emit("shaky", state === "disconnected");
    if (state === "failed") this.#emit("lost", this.#connected ? cutOff("ICE lost its path.") : noPath("ICE found no path."));
  }

  #openChannel(channel) {
    this.#channel = channel;
    channel.addEventListener("open", () => {
      this.#sendPing();
      this.#ping = setInterval(() => this.#sendPing(), PING_MS);
      this.#emit("ready", null);
    });
    channel.addEventListener("message", ({ data }) => this.#receive(data));
    channel.addEventListener("close", () => this.#emit("lost", cutOff("The data channel closed.")));
  }

  #receive(data) {
    const signal = signalOf(data);
    if (signal === null) {
      this.#emit("message", data);
    } else if (signal.type === "peerLeft") {
      this.#emit("left", null);
    } else if (signal.type === "renegotiate") {
      this.#negotiate().catch((error) => this.#emit("lost", error instanceof CallError ? error : cutOff(error.message)));
    }
  }

  #sendPing() {
    this.send(`ping: ${Date.now()}`);
  }

  #emit(type, detail) {
    if (!this.#abort.signal.aborted) this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Return the transport's own message, such as peerLeft, or null if this is another. */
function signalOf(data) {
  if (typeof data !== "string" || data.length > 1000 || !data.includes("signalling")) return null;
  try {
    const { type, message } = JSON.parse(data);
    return type === "signalling" && typeof message?.type === "string" ? message : null;
  } catch {
    return null;
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
