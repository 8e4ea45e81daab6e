// A room at LiveKit. RTVI messages are JSON in reliable data packets.

import { noPath } from "../faults.js";

/** A room; see `Call` for what it reports. */
export class LiveKitRoom extends EventTarget {
  #client;
  #room;
  #url;
  #token;
  #published = null;
  #closed = false;
  #heard = false;

  /** Load LiveKit's client, which only these calls need, and return a room that is not connected yet. */
  static async load({ url, token }) {
    const client = await import("../vendor/livekit-client.esm.mjs");
    client.setLogLevel("warn");
    return new LiveKitRoom(client, url, token);
  }

  constructor(client, url, token) {
    super();
    this.#client = client;
    this.#url = url;
    this.#token = token;
    this.#room = new client.Room();
    this.#follow();
  }

  async connect(track) {
    await this.#room.connect(this.#url, this.#token).catch((error) => {
      throw noPath(`LiveKit’s client reports: ${error.message}.`);
    });
    if (this.#closed) return;
    // At once and even if silent: a bot learns late of a participant who publishes nothing.
    const { Track } = this.#client;
    this.#published = await this.#room.localParticipant.publishTrack(track, { source: Track.Source.Microphone });
  }

  async replaceTrack(track) {
    await this.#published?.track.replaceTrack(track, { userProvidedTrack: true });
  }

  send(text) {
    const packet = new TextEncoder().encode(text);
    // A packet that is lost was sent into a room that is being lost, which is reported by itself.
    this.#room.localParticipant.publishData(packet, { reliable: true }).catch(() => {});
  }

  close() {
    this.#closed = true;
    this.#room.disconnect();
  }

  #follow() {
    const { RoomEvent, Track } = this.#client;
    this.#room
      .on(RoomEvent.TrackSubscribed, (track) => {
        if (track.kind === Track.Kind.Audio) this.#hear(track.mediaStreamTrack);
      })
      .on(RoomEvent.DataReceived, (packet) => this.#emit("message", new TextDecoder().decode(packet)))
      .on(RoomEvent.ParticipantDisconnected, () => this.#emit("left", null))
      .on(RoomEvent.Reconnecting, () => this.#emit("shaky", true))
      .on(RoomEvent.Reconnected, () => this.#emit("shaky", false))
      .on(RoomEvent.Disconnected, () => this.#emit("lost", null));
  }

  #hear(track) {
    this.#emit("track", track);
    if (this.#heard) return;
    this.#heard = true;
    this.#emit("connected", null);
    // Only now: a bot would miss a message that is sent before it joins.
    this.#emit("ready", null);
  }

  #emit(type, detail) {
    if (!this.#closed) this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
