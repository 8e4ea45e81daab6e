import { fileURLToPath } from "node:url";

import { defineConfig } from "vitest/config";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  resolve: {
    alias: {
      "@": path("."),
      // Throws outside of a server bundle of Next's, which tests have none of.
      "server-only": path("node_modules/server-only/empty.js"),
    },
  },
  test: {
    testTimeout: 60_000, // met by a hang alone
    projects: [
      { extends: true, test: { name: "app", environment: "node", include: ["{app,lib}/**/*.test.ts"] } },
      {
        extends: true,
        test: { name: "convex", environment: "edge-runtime", include: ["convex/**/*.test.ts"] },
      },
    ],
  },
});
