import { expect, it } from "vitest";

import { clientAddress, readProxies } from "./address";

const PROXIES = "10.0.0.0/8, 192.0.2.7, fd00::/8";

it.each([
  ["nobody trusted in between", "198.51.100.1", "203.0.113.5", "198.51.100.1"],
  ["nothing forwarded", "10.0.0.1", "", "10.0.0.1"],
  ["one proxy", "10.0.0.1", "203.0.113.5", "203.0.113.5"],
  ["two proxies", "10.0.0.1", "203.0.113.5, 192.0.2.7", "203.0.113.5"],
  ["an entry of the visitor's own", "10.0.0.1", "198.51.100.9, 203.0.113.5", "203.0.113.5"],
  ["a proxy's address of the visitor's own", "10.0.0.1", "10.0.0.2, 203.0.113.5", "203.0.113.5"],
  ["nonsense", "10.0.0.1", "203.0.113.5, spam", "10.0.0.1"],
  ["an empty entry", "10.0.0.1", "203.0.113.5,,", "10.0.0.1"],
  ["a port", "10.0.0.1", "203.0.113.5:4711", "203.0.113.5"],
  ["IPv4 written as IPv6", "::ffff:10.0.0.1", "::FFFF:203.0.113.5", "203.0.113.5"],
  ["IPv6 proxies", "fd00::1", "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"],
  ["one end of a /64", "2001:db8:1:2::", "", "2001:db8:1:2::/64"],
  ["the other end of it", "2001:DB8:1:2:ffff:ffff:ffff:ffff", "", "2001:db8:1:2::/64"],
  ["a zone", "fe80::1%eth0", "", "fe80:0:0:0::/64"],
  ["no peer", "", "203.0.113.5", "unknown"],
  ["proxies alone", "10.0.0.1", "10.0.0.2,".repeat(1000) + "10.0.0.3", "10.0.0.2"],
])("names the nearest address that is no proxy's: %s", (_, peer, forwarded, address) => {
  expect(clientAddress(peer, forwarded, readProxies(PROXIES))).toBe(address);
});

it("believes nobody by default", () => {
  expect(clientAddress("10.0.0.1", "203.0.113.5", readProxies(""))).toBe("10.0.0.1");
});

it.each(["10.0.0.0/33", "10.0.0.0/", "proxy", "10.0.0", "::1/129", "10.0.0.0/8/8x"])(
  "says which proxy is none: %s",
  (entry) => {
    expect(() => readProxies(`192.0.2.7,${entry}`)).toThrow(entry);
  },
);
