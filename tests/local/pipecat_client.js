// A page that calls as Pipecat's own browser client does, with nothing of Podline but an address and a public key.

import { PipecatClient } from "@pipecat-ai/client-js";
import { SmallWebRTCTransport } from "@pipecat-ai/small-webrtc-transport";

/** The transport's own loads Daily's library from Daily's servers, even for a call without Daily. */
class Microphone {
  isCamEnabled = false;
  isMicEnabled = true;
  isSharingScreen = false;
  supportsScreenShare = false;
  selectedMic = {};
  selectedCam = {};
  selectedSpeaker = {};
  #track;
  #options;

  setClientOptions(options) {
    this.#options = options;
  }

  async initialize() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    [this.#track] = stream.getAudioTracks();
    this.#options?.callbacks?.onMicUpdated?.({ deviceId: "chosen" });
  }

  tracks() {
    return { local: { audio: this.#track } };
  }

  async connect() {}
  async disconnect() {
    this.#track?.stop();
  }
  enableMic() {}
  enableCam() {}
  enableScreenShare() {}
  updateMic() {}
  updateCam() {}
  updateSpeaker() {}
  getAllMics = async () => [];
  getAllCams = async () => [];
  getAllSpeakers = async () => [];
}

/** Call an agent, type one sentence once the bot is ready, and return what the bot says until it has said `expected`. */
window.callAgent = async ({ endpoint, key, text, expected }) => {
  let said = "";
  let isReady = () => {};
  let isSaid = () => {};
  const ready = new Promise((resolve) => (isReady = resolve));
  const answered = new Promise((resolve) => (isSaid = resolve));
  const client = new PipecatClient({
    transport: new SmallWebRTCTransport({ mediaManager: new Microphone(), iceServers: [] }),
    enableMic: true,
    callbacks: {
      onBotReady: () => isReady(),
      onBotTranscript: ({ text: words }) => {
        said += ` ${words}`;
        if (said.includes(expected)) isSaid();
      },
    },
  });
  await client.initDevices();
  const headers = new Headers({ Authorization: `Bearer ${key}` });
  await client.startBotAndConnect({ endpoint, headers, requestData: { createDailyRoom: false, body: { lamp: "green" } } });
  await ready;
  await client.sendText(text, { run_immediately: true, audio_response: true });
  await answered;
  await client.disconnect();
  return said;
};
