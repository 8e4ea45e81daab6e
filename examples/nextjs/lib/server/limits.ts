/** Limits on starts. They are in memory, so for one server; the same library has a Redis limiter and others. */

import "server-only";

import { createHmac, randomBytes } from "node:crypto";

import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";

const MINUTE = 60;
const BUCKETS = 1 << 14; // The maximum number of counters, however many addresses somebody has.
const SALT = randomBytes(16); // Keeps anybody from choosing whose bucket to share.

const starts = {
  address: new RateLimiterMemory({ points: 10, duration: MINUTE }),
  user: new RateLimiterMemory({ points: 5, duration: MINUTE }),
};
// Reads of a user's own sessions: each one queries the controller.
const questions = new RateLimiterMemory({ points: 120, duration: MINUTE });

/** Count a start by address and by user, and return the seconds until it is allowed; 0 is now. */
export async function secondsToStart(userId: string, address: string): Promise<number> {
  // The address first: a visitor who drops the cookie is a new user each time, and must not fill the users' counters.
  return (await waitFor(starts.address, address)) || (await waitFor(starts.user, userId));
}

/** Count a read of a user's own session, and return the seconds until it is allowed; 0 is now. */
export async function secondsToAsk(userId: string): Promise<number> {
  return await waitFor(questions, userId);
}

async function waitFor(limiter: RateLimiterMemory, who: string): Promise<number> {
  try {
    await limiter.consume(bucket(who));
    return 0;
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
  }
}

/** Two keys that share a bucket by chance share its limit. */
function bucket(who: string): string {
  return String(createHmac("sha256", SALT).update(who).digest().readUInt32BE() % BUCKETS);
}
