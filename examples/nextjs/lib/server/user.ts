/** The visitor: an anonymous id in a cookie that this server has signed. */

import "server-only";

import { createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";

import type { NextRequest, NextResponse } from "next/server";

const COOKIE = "podline_user";
const YEAR_SECONDS = 365 * 24 * 3600;
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export interface User {
  id: string;
  isNew: boolean;
}

/** Return the user of a request; a new one if there is no cookie that we signed. */
export function currentUser(request: NextRequest): User {
  // YOUR LOGIN GOES HERE: return the id of the shop's own user, with `isNew: false`. Saves and limits are by this id.
  const id = verified(request.cookies.get(COOKIE)?.value ?? "");
  return id === null ? { id: randomUUID(), isNew: true } : { id, isNew: false };
}

/** Remember the user in the browser. Only with a call: a refusal must not make anybody a known user. */
export function remember(user: User, request: NextRequest, response: NextResponse): void {
  if (!user.isNew) return;
  const isHttps = (request.headers.get("x-forwarded-proto") ?? request.nextUrl.protocol).startsWith("https");
  response.cookies.set(COOKIE, `${user.id}.${signature(user.id, secrets()[0]!)}`, {
    httpOnly: true,
    sameSite: "lax",
    secure: isHttps,
    maxAge: YEAR_SECONDS,
    path: "/",
  });
}

function verified(cookie: string): string | null {
  const [id = "", given = "", ...more] = cookie.split(".", 3);
  if (!ID.test(id) || more.length > 0) return null;
  return secrets().some((secret) => isSame(given, signature(id, secret))) ? id : null;
}

/** Compare bytes, because texts of equal length may have different numbers of bytes. */
function isSame(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function signature(id: string, secret: string): string {
  return createHmac("sha256", secret).update(id).digest("base64url");
}

/**
 * Return the comma-separated secrets of SESSION_SECRET: the first signs, each verifies. Without it everybody is a
 * new user after a restart. Next may load this module once for each route.
 */
function secrets(): string[] {
  const set = (process.env.SESSION_SECRET ?? "").split(",").map((part) => part.trim());
  const named = set.filter((part) => part !== "");
  const shared = globalThis as typeof globalThis & { podlineSecret?: string };
  return named.length > 0 ? named : [(shared.podlineSecret ??= randomBytes(32).toString("hex"))];
}
