import { builtinModules } from "node:module"
import { defineConfig } from "rolldown"

export default defineConfig({
  input: { main: "src/main.ts" },
  platform: "node",
  external: [/^node:/, ...builtinModules],
  tsconfig: false,
  transform: { target: "node22" },
  output: {
    dir: "dist",
    format: "esm",
    cleanDir: true,
    entryFileNames: "[name].js",
    chunkFileNames: "chunks/[name]-[hash].js",
    banner: (chunk) => (chunk.isEntry ? "#!/usr/bin/env node" : ""),
    // Small on disk and in memory, and a stack trace still names what it went through.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
    sourcemap: false
  }
})
