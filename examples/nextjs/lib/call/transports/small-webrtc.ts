/** No room: the controller relays the offer to the bot, and from then on voice is direct. */

import type { PipecatClientOptions, Tracks } from "@pipecat-ai/client-js";
import { SmallWebRTCTransport } from "@pipecat-ai/small-webrtc-transport";

import type { Room } from "@/lib/api/answers";

import type { Microphone } from "../microphone";
import type { RoomTransport } from "./index";

export function transportFor(room: Room, microphone: Microphone): RoomTransport {
  const headers = new Headers({ Authorization: `Bearer ${room.token}` });
  return {
    transport: new PatientTransport({
      mediaManager: new OneMicrophone(microphone),
      iceServers: room.iceServers,
    }),
    params: { webrtcRequestParams: { endpoint: room.url, headers } },
  };
}

/** Waits for a pending offer, because aborting one causes an unhandled rejection in the library. */
class PatientTransport extends SmallWebRTCTransport {
  #connecting: Promise<void> = Promise.resolve();

  override connect(params?: unknown): Promise<void> {
    this.#connecting = super.connect(params);
    return this.#connecting;
  }

  /** The offer ends with its session, which an early hang-up stops. */
  override async disconnect(): Promise<void> {
    if (this.state === "connecting") await this.#connecting.catch(() => {});
    await super.disconnect();
  }
}

/**
 * The microphone as the transport's media manager. The transport's default loads Daily's library from Daily's
 * servers, even for a call without Daily.
 */
class OneMicrophone {
  readonly isCamEnabled = false;
  readonly isSharingScreen = false;
  readonly supportsScreenShare = false;
  readonly selectedMic = {};
  readonly selectedCam = {};
  readonly selectedSpeaker = {};
  isMicEnabled = true;
  readonly #microphone: Microphone;
  #options: PipecatClientOptions | undefined;

  constructor(microphone: Microphone) {
    this.#microphone = microphone;
  }

  setClientOptions(options: PipecatClientOptions): void {
    this.#options = options;
  }

  async initialize(): Promise<void> {
    // Once a device is reported, the client assumes a microphone and doesn't initialise again.
    this.#options?.callbacks?.onMicUpdated?.({ deviceId: "chosen" } as MediaDeviceInfo);
  }

  tracks(): Tracks {
    return { local: { audio: this.#microphone.track() } };
  }

  enableMic(enable: boolean): void {
    this.isMicEnabled = enable;
    this.#microphone.mute(!enable);
  }

  async connect(): Promise<void> {}
  async disconnect(): Promise<void> {}
  enableCam(): void {}
  enableScreenShare(): void {}
  updateMic(): void {}
  updateCam(): void {}
  updateSpeaker(): void {}
  getAllMics = none;
  getAllCams = none;
  getAllSpeakers = none;
}

async function none(): Promise<MediaDeviceInfo[]> {
  return [];
}
