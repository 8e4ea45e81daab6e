/** A room at LiveKit, as a transport for Pipecat's client. RTVI messages are JSON in reliable data packets. */

import {
  RTVIMessage,
  Transport,
  type Participant,
  type PipecatClientOptions,
  type Tracks,
  type TransportState,
} from "@pipecat-ai/client-js";
import { Room as LiveKitRoom, RoomEvent, Track, type RemoteParticipant } from "livekit-client";

import type { Room } from "@/lib/api/answers";

import type { Microphone } from "../microphone";
import type { RoomTransport } from "./index";

const RTVI_LABEL = "rtvi-ai";

export function transportFor(room: Room, microphone: Microphone): RoomTransport {
  return { transport: new LiveKitTransport(microphone), params: { url: room.url, token: room.token } };
}

class LiveKitTransport extends Transport {
  readonly #microphone: Microphone;
  readonly #room = new LiveKitRoom();
  #botTrack: MediaStreamTrack | undefined;
  #botIsHeard: () => void = () => {};
  readonly #hearingBot = new Promise<void>((resolve) => (this.#botIsHeard = resolve));

  constructor(microphone: Microphone) {
    super();
    this.#microphone = microphone;
  }

  initialize(options: PipecatClientOptions, onMessage: (message: RTVIMessage) => void): void {
    this._options = options;
    this._callbacks = options.callbacks ?? {};
    this._onMessage = onMessage;
    this.#follow();
  }

  async initDevices(): Promise<void> {
    this.state = "initializing";
    // Once a device is reported, the client assumes a microphone and doesn't initialise again.
    this._callbacks.onMicUpdated?.({ deviceId: "chosen" } as MediaDeviceInfo);
    this.state = "initialized";
  }

  _validateConnectionParams(params?: unknown): unknown {
    return params;
  }

  async _connect(params?: unknown): Promise<void> {
    const { url, token } = params as { url: string; token: string };
    this.state = "connecting";
    await this.#room.connect(url, token);
    // At once and even if silent: a bot learns late of a participant who publishes nothing.
    await this.#room.localParticipant.publishTrack(this.#microphone.track(), {
      source: Track.Source.Microphone,
    });
    this.state = "connected";
    this._callbacks.onConnected?.();
  }

  /** Wait for the bot first: it would miss a message sent before it joins. */
  async sendReadyMessage(): Promise<void> {
    await this.#hearingBot;
    this.state = "ready";
    this.sendMessage(RTVIMessage.clientReady());
  }

  async _disconnect(): Promise<void> {
    this.state = "disconnecting";
    await this.#room.disconnect();
    this.state = "disconnected";
  }

  sendMessage(message: RTVIMessage): void {
    const data = new TextEncoder().encode(JSON.stringify(message));
    void this.#room.localParticipant.publishData(data, { reliable: true });
  }

  tracks(): Tracks {
    return { local: {}, bot: { audio: this.#botTrack } };
  }

  get state(): TransportState {
    return this._state;
  }

  set state(state: TransportState) {
    if (this._state === state) return;
    this._state = state;
    this._callbacks.onTransportStateChanged?.(state);
  }

  enableMic(enable: boolean): void {
    this.#microphone.mute(!enable);
  }

  get isMicEnabled(): boolean {
    return true;
  }

  #follow(): void {
    this.#room
      .on(RoomEvent.TrackSubscribed, (track, _publication, participant) => {
        if (track.kind !== Track.Kind.Audio) return;
        this.#botTrack = track.mediaStreamTrack;
        this._callbacks.onTrackStarted?.(track.mediaStreamTrack, shown(participant));
        this.#botIsHeard();
      })
      .on(RoomEvent.DataReceived, (data) => this.#receive(data))
      .on(RoomEvent.ParticipantConnected, (participant) =>
        this._callbacks.onBotConnected?.(shown(participant)),
      )
      .on(RoomEvent.ParticipantDisconnected, (participant) =>
        this._callbacks.onBotDisconnected?.(shown(participant)),
      )
      .on(RoomEvent.Reconnecting, () => (this.state = "connecting"))
      .on(RoomEvent.Reconnected, () => (this.state = "ready"))
      .on(RoomEvent.Disconnected, () => {
        this.state = "disconnected";
        this._callbacks.onDisconnected?.();
      });
  }

  #receive(data: Uint8Array): void {
    let message: Partial<RTVIMessage>;
    try {
      message = JSON.parse(new TextDecoder().decode(data));
    } catch {
      return; // from another participant
    }
    if (message.label === RTVI_LABEL) this._onMessage(message as RTVIMessage);
  }

  // The browser chooses devices, and there is no camera.
  readonly selectedMic = {};
  readonly selectedCam = {};
  readonly selectedSpeaker = {};
  readonly isCamEnabled = false;
  readonly isSharingScreen = false;
  getAllMics = none;
  getAllCams = none;
  getAllSpeakers = none;
  updateMic(): void {}
  updateCam(): void {}
  updateSpeaker(): void {}
  enableCam(): void {}
  enableScreenShare(): void {}
}

function shown(participant: RemoteParticipant): Participant {
  return { id: participant.identity, name: participant.name ?? participant.identity, local: false };
}

async function none(): Promise<MediaDeviceInfo[]> {
  return [];
}
