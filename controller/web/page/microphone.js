// The caller's microphone, and a silent track in its place so that typing works without one.

/** The microphone can't be had; `message` says why and what to do. */
export class MicrophoneError extends Error {}

const WHY = {
  NotAllowedError: "The microphone is blocked for this page. Allow it beside the address bar, or just type.",
  NotFoundError: "No microphone was found. Plug one in, or just type.",
  NotReadableError: "Another program seems to hold the microphone. Close it, or just type.",
};

export async function openMicrophone() {
  if (!navigator.mediaDevices) {
    throw new MicrophoneError("Browsers give the microphone to https pages and localhost only. You can still type.");
  }
  try {
    // A browser's noise suppression takes the hiss of an s for noise: "save" arrives as "ave". Models cope
    // with noise better than with missing sounds.
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: false, autoGainControl: true },
    });
    return stream.getAudioTracks()[0];
  } catch (error) {
    throw new MicrophoneError(WHY[error.name] ?? "The microphone could not be opened. You can still type.");
  }
}

/** A track that sends silence: the bot hears a quiet caller, and a microphone can take its place later. */
export function silentTrack(audioContext) {
  return audioContext.createMediaStreamDestination().stream.getAudioTracks()[0];
}
