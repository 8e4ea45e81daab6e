/** No room at all: the offer goes by the controller to the bot, and from then on voice goes directly. */

import type { PipecatClientOptions, Tracks } from "@pipecat-ai/client-js";
import { SmallWebRTCTransport } from "@pipecat-ai/small-webrtc-transport";

import type { Room } from "@/lib/api/answers";

import type { Microphone } from "../microphone";
import type { Way } from "./index";

export function wayInto(room: Room, microphone: Microphone): Way {
  const headers = new Headers({ Authorization: `Bearer ${room.token}` });
  return {
    transport: new PatientTransport({
      mediaManager: new OneMicrophone(microphone),
      iceServers: room.iceServers,
    }),
    params: { webrtcRequestParams: { endpoint: room.url, headers } },
  };
}

/** To break off an offer that is under way leaves the library with a rejection that nobody handles. */
class PatientTransport extends SmallWebRTCTransport {
  #connecting: Promise<void> = Promise.resolve();

  override connect(params?: unknown): Promise<void> {
    this.#connecting = super.connect(params);
    return this.#connecting;
  }

  /** The offer ends with its session, which is stopped by whoever hangs up that early. */
  override async disconnect(): Promise<void> {
    if (this.state === "connecting") await this.#connecting.catch(() => {});
    await super.disconnect();
  }
}

/**
 * A microphone in the form of the transport's media manager. The transport's own default loads Daily's library
 * from Daily's servers, for a call that has nothing to do with Daily.
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
    // With a device to tell of, the client takes the microphone for granted and doesn't initialise again.
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
