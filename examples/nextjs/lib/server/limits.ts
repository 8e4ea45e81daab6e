/** How often somebody may start a call. In memory, so for one server; the same library has a Redis and more. */

import "server-only";

import type { NextRequest } from "next/server";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";

import type { User } from "./user";

const MINUTE = 60;
const users = new RateLimiterMemory({ points: 5, duration: MINUTE });
// Whoever throws the cookie away is somebody new each time, so newcomers count by address.
const newcomers = new RateLimiterMemory({ points: 10, duration: MINUTE });

/** Count a start, and say in how many seconds it may be made; 0 is now. */
export async function secondsToWait(user: User, request: NextRequest): Promise<number> {
  try {
    await (user.isNew ? newcomers.consume(addressOf(request)) : users.consume(user.id));
    return 0;
  } catch (refusal) {
    if (!(refusal instanceof RateLimiterRes)) throw refusal;
    return Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
  }
}

/** The last address is the one that the nearest proxy has seen, or Next itself where there is none. */
function addressOf(request: NextRequest): string {
  return request.headers.get("x-forwarded-for")?.split(",").at(-1)?.trim() || "unknown";
}
