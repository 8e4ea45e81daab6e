/** Next runs this once, before the server's first request. */

export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== "nodejs") return;
  const { noteAddresses } = await import("./lib/server/address");
  noteAddresses();
}
