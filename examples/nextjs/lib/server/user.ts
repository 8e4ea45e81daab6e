/** Who is asking: an anonymous id in a cookie that this server has signed. */

import "server-only";

import { createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";

import type { NextRequest, NextResponse } from "next/server";

const COOKIE = "podline_user";
const YEAR_SECONDS = 365 * 24 * 3600;

export interface User {
  id: string;
  isNew: boolean;
}

/** The user of a request; somebody new where there is no cookie, or none of ours. */
export function currentUser(request: NextRequest): User {
  // YOUR LOGIN GOES HERE: return the id of the shop's own user, with `isNew: false`. Saves and limits are by this id.
  const id = verified(request.cookies.get(COOKIE)?.value);
  return id === null ? { id: randomUUID(), isNew: true } : { id, isNew: false };
}

/** Let the browser be the same user next time. */
export function remember(user: User, request: NextRequest, response: NextResponse): void {
  if (!user.isNew) return;
  const isHttps = (request.headers.get("x-forwarded-proto") ?? request.nextUrl.protocol).startsWith("https");
  response.cookies.set(COOKIE, `${user.id}.${signature(user.id)}`, {
    httpOnly: true,
    sameSite: "lax",
    secure: isHttps,
    maxAge: YEAR_SECONDS,
    path: "/",
  });
}

function verified(cookie: string | undefined): string | null {
  const [id = "", given = ""] = cookie?.split(".") ?? [];
  const wanted = signature(id);
  const isOurs = given.length === wanted.length && timingSafeEqual(Buffer.from(given), Buffer.from(wanted));
  return isOurs ? id : null;
}

function signature(id: string): string {
  return createHmac("sha256", secret()).update(id).digest("base64url");
}

/** Without SESSION_SECRET everybody is new after a restart. Next may load this module once for each route. */
function secret(): string {
  const shared = globalThis as typeof globalThis & { podlineSecret?: string };
  return process.env.SESSION_SECRET || (shared.podlineSecret ??= randomBytes(32).toString("hex"));
}
