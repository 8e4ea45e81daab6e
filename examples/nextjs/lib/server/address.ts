/**
 * The address a request comes from. Route handlers don't see the connection, and anybody can send
 * X-Forwarded-For, so `instrumentation.ts` notes the address on each request while its connection is known.
 */

import "server-only";

import { randomUUID } from "node:crypto";
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import { BlockList, isIP, isIPv6, type Socket } from "node:net";

const UNKNOWN = "unknown";

/** Note the address on each request to any HTTP server of this process, before Next sees it. */
export function noteAddresses(): void {
  const proxies = readProxies(process.env.TRUSTED_PROXIES ?? "");
  subscribe("http.server.request.start", (message) => {
    const { request, socket } = message as { request: IncomingMessage; socket: Socket };
    const forwarded = String(request.headers["x-forwarded-for"] ?? "");
    request.headers[header()] = clientAddress(socket.remoteAddress ?? "", forwarded, proxies);
  });
}

/** Return a request's address. All requests whose address could not be noted count as one. */
export function addressOf(request: Request): string {
  return request.headers.get(header()) ?? UNKNOWN;
}

/** The header with a noted address. Nobody outside this process knows its name, so nobody can send it. */
export function header(): string {
  const shared = globalThis as typeof globalThis & { podlineAddressHeader?: string };
  return (shared.podlineAddressHeader ??= `x-address-${randomUUID()}`);
}

/**
 * Return the nearest address that is not a trusted proxy. X-Forwarded-For grows to the right: only entries added by
 * a trusted proxy count, and none to the left of the first address that isn't a trusted proxy.
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

/** Read comma-separated addresses and networks. Throws if one is neither: a limit must not fail silently. */
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

/** Return one spelling for each address: no zone, no IPv4 port, and IPv4 if it is written as IPv6. */
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

/** Return what one subscriber has: an IPv4 address, or the /64 network of an IPv6 address. */
function network(address: string): string {
  if (!isIPv6(address)) return address;
  return `${groups(address)
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(":")}::/64`;
}

/** Return the eight numbers of an IPv6 address. A URL converts an IPv4 ending, so only `::` is left to expand. */
function groups(address: string): number[] {
  const [left = "", right] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::");
  const numbers = (part: string) => (part === "" ? [] : part.split(":").map((group) => parseInt(group, 16)));
  const [head, tail] = [numbers(left), numbers(right ?? "")];
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}
