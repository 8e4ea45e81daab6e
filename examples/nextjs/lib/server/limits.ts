/** How often calls may be started. In memory, so for one server; the same library has a Redis limiter and more. */

import "server-only";

import { createHmac, randomBytes } from "node:crypto";

import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";

const MINUTE = 60;
const BUCKETS = 1 << 14; // So many counters at most, however many addresses somebody has.
const SALT = randomBytes(16); // Nobody can choose whose bucket to share.

const starts = {
  address: new RateLimiterMemory({ points: 10, duration: MINUTE }),
  user: new RateLimiterMemory({ points: 5, duration: MINUTE }),
};
// Of a user's own sessions: each of these asks the controller.
const questions = new RateLimiterMemory({ points: 120, duration: MINUTE });

/** Count a start by address and by user, and say in how many seconds it may be made; 0 is now. */
export async function secondsToStart(userId: string, address: string): Promise<number> {
  // The address first: whoever throws the cookie away is a new user each time, and must not fill the users' counters.
  return (await waitFor(starts.address, address)) || (await waitFor(starts.user, userId));
}

/** Count a question about a user's own session, and say in how many seconds it may be asked; 0 is now. */
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

/** Two that share a bucket by chance share its limit. */
function bucket(who: string): string {
  return String(createHmac("sha256", SALT).update(who).digest().readUInt32BE() % BUCKETS);
}
