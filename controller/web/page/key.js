// The key that this page sends, if its address ends in #key=KEY: one of scope public_start, or a signed identity.

let key = null;

/** Take the key out of the address, so that it is in no bookmark, screenshot or copied link. */
export function takeKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (!given) return;
  key = given;
  history.replaceState(null, "", location.pathname + location.search);
}

export function authorization() {
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}
