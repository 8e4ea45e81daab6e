/** Who may ask for what: a bot for its own session and user, by a token of the controller's. */

import { jwtVerify } from "jose";

const CLOCKS_DIFFER_SECONDS = 60;

/** The user and the session that a request may be about; null where it may be about anybody's. */
export interface Grant {
  userId: string | null;
  sessionId: string | null;
}

const ANYBODY: Grant = { userId: null, sessionId: null };

/**
 * What the bearer of a request grants; null where that is nothing. A token of the controller's counts where one of the
 * `secrets` has signed it. A `shared` token grants everything; none is needed beside the secrets. Both are lists with
 * commas between, so that a change of one ends no call.
 */
export async function granted(request: Request, secrets = "", shared = ""): Promise<Grant | null> {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.get("Authorization") ?? "")?.[1] ?? "";
  const same = await Promise.all(listed(shared).map((each) => isSame(token, each)));
  if (same.includes(true)) return ANYBODY;
  return await signedGrant(token, await keysOf(secrets));
}

async function signedGrant(token: string, keys: Map<string, Uint8Array>): Promise<Grant | null> {
  try {
    const { payload } = await jwtVerify(
      token,
      ({ kid = "" }) => keys.get(kid) ?? Promise.reject(new Error(kid)),
      {
        algorithms: ["HS256"],
        issuer: "podline",
        audience: "podline-store",
        requiredClaims: ["exp", "sub", "sid"],
        clockTolerance: CLOCKS_DIFFER_SECONDS,
      },
    );
    const { sub: userId, sid: sessionId } = payload;
    return typeof userId === "string" && typeof sessionId === "string" ? { userId, sessionId } : null;
  } catch {
    return null;
  }
}

/** Each secret by the name that the controller gives it: a change of the secret ends no call while both are listed. */
async function keysOf(secrets: string): Promise<Map<string, Uint8Array>> {
  const named = listed(secrets).map(async (secret) => {
    const hex = Array.from(await digest(`podline-store:${secret}`), (byte) =>
      byte.toString(16).padStart(2, "0"),
    );
    return [hex.join("").slice(0, 16), new TextEncoder().encode(secret)] as const;
  });
  return new Map(await Promise.all(named));
}

function listed(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** The time it takes says nothing about where the two differ. */
async function isSame(given: string, expected: string): Promise<boolean> {
  const [one, other] = await Promise.all([digest(given), digest(expected)]);
  return one.reduce((difference, byte, place) => difference | (byte ^ other[place]!), 0) === 0;
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
