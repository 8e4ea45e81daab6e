import { fileURLToPath } from "node:url";

import { defineConfig } from "vitest/config";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  resolve: {
    alias: {
      "@": path("."),
      // Throws outside a server bundle of Next's, and tests have none.
      "server-only": path("node_modules/server-only/empty.js"),
    },
  },
  test: {
    testTimeout: 60_000, // reached only by a hang
    projects: [
      { extends: true, test: { name: "app", environment: "node", include: ["{app,lib}/**/*.test.ts"] } },
      {
        extends: true,
        test: { name: "convex", environment: "edge-runtime", include: ["convex/**/*.test.ts"] },
      },
    ],
  },
});
