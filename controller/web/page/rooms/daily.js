// A room at Daily, on Daily's own page: Daily's client loads its main part from a server of Daily's, which this page
// doesn't let in.

/** Return the address of the room's page with the caller's token, or null if it is none that a browser may open. */
export function dailyPage({ dailyRoom, dailyToken }) {
  if (!URL.canParse(dailyRoom)) return null;
  const url = new URL(dailyRoom);
  if (!["https:", "http:"].includes(url.protocol)) return null;
  if (dailyToken) url.searchParams.set("t", dailyToken);
  return url.href;
}
