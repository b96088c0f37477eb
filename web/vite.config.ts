import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// The server embeds dist/ and sends it under a strict content security policy:
// nothing inline, nothing from elsewhere. Scripts and styles are files with a
// hash in their name, which browsers may keep for ever.
export default defineConfig({
  resolve: { alias: { "~": fileURLToPath(new URL("src", import.meta.url)) } },
  esbuild: { jsx: "automatic" },
  build: {
    outDir: "dist",
    emptyOutDir: false, // dist/README is committed; scripts/compress.mjs clears the rest
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    manifest: "manifest.json",
    chunkSizeWarningLimit: 700,
    // Libraries mark their files for frameworks that render on servers; we do not.
    rollupOptions: { onwarn: (warning, say) => (warning.code === "MODULE_LEVEL_DIRECTIVE" ? undefined : say(warning)) },
  },
  server: { port: 5173, proxy: { "/v1": { target: process.env.SALLYPORT_API ?? "http://localhost:9480" } } },
  test: { environment: "node", include: ["src/**/*.test.ts", "src/**/*.test.tsx"] },
});
