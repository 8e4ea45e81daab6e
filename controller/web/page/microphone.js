// The caller's microphone, or a silent track so that typing works without one.

/** The microphone is not available; `message` says why and what to do. */
export class MicrophoneError extends Error {}

const WHY = {
  NotAllowedError: "The microphone is blocked for this page. Allow it next to the address bar, or just type.",
  NotFoundError: "No microphone was found. Plug one in, or just type.",
  OverconstrainedError: "The chosen microphone is gone. Choose another under Devices, or just type.",
  NotReadableError: "Another program seems to be using the microphone. Close it, or just type.",
};

/** Open a microphone by its id, "" for the browser's default. */
export async function openMicrophone(deviceId) {
  if (!navigator.mediaDevices) {
    throw new MicrophoneError("Browsers allow the microphone only on https pages and localhost. You can still type.");
  }
  try {
    // A browser's noise suppression mistakes the hiss of an s for noise: "save" arrives as "ave". Models cope
    // better with noise than with missing sounds.
    const wanted = { echoCancellation: true, noiseSuppression: false, autoGainControl: true };
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: deviceId === "" ? wanted : { ...wanted, deviceId: { exact: deviceId } },
    });
    return stream.getAudioTracks()[0];
  } catch (error) {
    throw new MicrophoneError(WHY[error.name] ?? "The microphone could not be opened. You can still type.");
  }
}

/** Return a track that sends silence: the bot hears a quiet caller, and a microphone can replace it later. */
export function silentTrack(audioContext) {
  return audioContext.createMediaStreamDestination().stream.getAudioTracks()[0];
}
