import type { NextConfig } from "next";

const HEADERS = [
  { key: "X-Content-Type-Options", value: "nosniff" },
  { key: "Referrer-Policy", value: "strict-origin-when-cross-origin" },
  { key: "X-Frame-Options", value: "DENY" },
  { key: "Permissions-Policy", value: "microphone=(self), camera=(), geolocation=()" },
];

const config: NextConfig = {
  // The image needs the standalone build; `next start` needs the default one.
  ...(process.env.STANDALONE === "true" ? { output: "standalone" } : {}),
  poweredByHeader: false,
  headers: async () => [{ source: "/:path*", headers: HEADERS }],
};

export default config;
