/** Access control: a bot acts for its own session and user, with a token signed by the controller. */

import { jwtVerify } from "jose";

const CLOCKS_DIFFER_SECONDS = 60;

/** The user and the session that a request may act for; null for any. */
export interface Grant {
  userId: string | null;
  sessionId: string | null;
}

const ANYBODY: Grant = { userId: null, sessionId: null };

/**
 * Return what a request's bearer grants, or null for nothing. A controller's token counts if one of the `secrets`
 * signed it. A `shared` token grants everything; with secrets, none is needed. Both are comma-separated lists, so
 * that replacing one ends no call.
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

/** Map each secret by the name that the controller gives it: replacing one ends no call while both are listed. */
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

/** Compare in constant time. */
async function isSame(given: string, expected: string): Promise<boolean> {
  const [one, other] = await Promise.all([digest(given), digest(expected)]);
  return one.reduce((difference, byte, index) => difference | (byte ^ other[index]!), 0) === 0;
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
