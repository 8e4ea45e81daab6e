/**
 * The address a request comes from. Route handlers don't see the connection, and anybody can write an
 * X-Forwarded-For, so `instrumentation.ts` notes the address on each request while its connection is known.
 */

import "server-only";

import { randomUUID } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { BlockList, isIP, isIPv6, type Socket } from "node:net";

const UNKNOWN = "unknown";

/** Note the address on each request that any HTTP server of this process gets, before Next sees it. */
export function noteAddresses(): void {
  const proxies = readProxies(process.env.TRUSTED_PROXIES ?? "");
  subscribe("http.server.request.start", (message) => {
    const { request, socket } = message as { request: IncomingMessage; socket: Socket };
    const forwarded = String(request.headers["x-forwarded-for"] ?? "");
    request.headers[header()] = clientAddress(socket.remoteAddress ?? "", forwarded, proxies);
  });
}

/** Where a request comes from. All whose address could not be noted count as one. */
export function addressOf(request: Request): string {
  return request.headers.get(header()) ?? UNKNOWN;
}

/** The header that holds a noted address. Nobody outside of this process knows its name, so nobody can send it. */
export function header(): string {
  const shared = globalThis as typeof globalThis & { podlineAddressHeader?: string };
  return (shared.podlineAddressHeader ??= `x-address-${randomUUID()}`);
}

/**
 * The nearest address that is no proxy of ours. X-Forwarded-For grows to the right: only what a trusted proxy
 * has added counts, and nothing to the left of the first entry that isn't a trusted proxy's address.
 */
export function clientAddress(peer: string, forwarded: string, proxies: BlockList): string {
  let client = canonical(peer);
  for (const entry of forwarded.split(",").reverse()) {
    const named = canonical(entry);
    if (!isProxy(client, proxies) || named === UNKNOWN) break;
    client = named;
  }
  return network(client);
}

/** Addresses and networks, comma-separated. Throws where one is neither: a limit must not fail silently. */
export function readProxies(text: string): BlockList {
  const proxies = new BlockList();
  for (const entry of text.split(",").map((part) => part.trim())) {
    if (entry === "") continue;
    const [address = "", bits, ...more] = entry.split("/");
    try {
      const family = isIPv6(address) ? "ipv6" : "ipv4";
      if (bits === undefined) proxies.addAddress(address, family);
      else proxies.addSubnet(address, /^\d+$/.test([bits, ...more].join("/")) ? Number(bits) : NaN, family);
    } catch {
      throw new Error(`TRUSTED_PROXIES: ${entry} is neither an address nor a network such as 10.0.0.0/8.`);
    }
  }
  return proxies;
}

function isProxy(address: string, proxies: BlockList): boolean {
  return isIP(address) !== 0 && proxies.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

/** One spelling for each address: no zone, no port of IPv4's, and IPv4 where it is written as IPv6. */
function canonical(text: string): string {
  const bare = text
    .trim()
    .replace(/%.*$/, "")
    .replace(/^\[(.*)\](:\d+)?$/, "$1")
    .replace(/^([\d.]+):\d+$/, "$1");
  if (isIP(bare) === 4) return bare;
  if (isIP(bare) !== 6) return UNKNOWN;
  const [high, low] = groups(bare).slice(6) as [number, number];
  const isMapped =
    groups(bare)
      .slice(0, 5)
      .every((group) => group === 0) && groups(bare)[5] === 0xffff;
  return isMapped ? [high >> 8, high & 255, low >> 8, low & 255].join(".") : bare;
}

/** What one subscriber has: an IPv4 address, or the /64 network of an IPv6 address. */
function network(address: string): string {
  if (!isIPv6(address)) return address;
  return `${groups(address)
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(":")}::/64`;
}

/** The eight numbers of an IPv6 address. A URL spells out IPv4 in its end, and leaves only `::` to expand. */
function groups(address: string): number[] {
  const [left = "", right] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const numbers = (part: string) => (part === "" ? [] : part.split(":").map((group) => parseInt(group, 16)));
  const [head, tail] = [numbers(left), numbers(right ?? "")];
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}
