/** What can go wrong with a call: a sentence for the caller, and what a developer wants to know. */

export interface Fault {
  title: string;
  text: string;
  details: string;
  /** It is only what remains if the session's record knows no other cause. */
  isGuess: boolean;
}

const NOT_STARTED = "The call did not start";

export const NOT_LOADED: Fault = {
  title: NOT_STARTED,
  text: "Part of this page could not be loaded. Check your internet connection and reload the page.",
  details: "A chunk of the page's JavaScript did not arrive.",
  isGuess: false,
};

export const OFFLINE: Fault = {
  title: "You are offline",
  text: "Your device is not connected to the internet. Connect it, then call again.",
  details: "The browser reports that it has no network: navigator.onLine is false.",
  isGuess: false,
};

export const SERVICE_STOPPED: Fault = {
  title: "The service stopped",
  text: "The shop's voice service stopped during your call; the fault is not with you. Please call again in a few minutes.",
  details: "The shop's server gets no answer from its controller. Is the controller running?",
  isGuess: false,
};

export const CUT_OFF: Fault = {
  title: "Connection lost",
  text: "Your connection to the assistant was lost. Check your network, then call again.",
  details: "The room was lost, the controller answers, and its record names no other cause.",
  isGuess: true,
};

export const NO_PATH: Fault = {
  title: NOT_STARTED,
  text: "The assistant is ready, but your browser can't connect to it. Try another network, or switch off your VPN.",
  details: "The session is running and its controller answers; a TURN server may help.",
  isGuess: true,
};

/** The shop's own server refused the call, or did not answer. */
export function notStarted(text: string, details: string): Fault {
  return { title: NOT_STARTED, text, details, isGuess: false };
}

/**
 * Return why this page may not talk to the controller, or null if it may.
 *
 * A browser hides why a request to another site failed, but not whether a request without a readable answer works.
 */
export async function crossOriginFault(endpoint: string): Promise<Fault | null> {
  const url = new URL("/livez", endpoint);
  if (await works(url, "cors")) return null;
  return (await works(url, "no-cors"))
    ? notStarted(
        "This page is not allowed to make calls yet. Please tell the people who run it.",
        `The controller at ${url.origin} answers, but not to pages of ${location.origin}: PODLINE_CORS_ORIGINS lists the sites that may call it.`,
      )
    : null;
}

async function works(url: URL, mode: RequestMode): Promise<boolean> {
  return fetch(url, { mode, cache: "no-store" }).then(
    () => true,
    () => false,
  );
}
