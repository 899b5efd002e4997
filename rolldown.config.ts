import * as http from "node:http"
import { builtinModules } from "node:module"
import { defineConfig, type Plugin } from "rolldown"

// Importing node:http as an ES module reads all of its exports, WebSocket among them, and so loads the whole of Node's
// fetch implementation: 14 MB and 15 ms that a daemon or command does not need. The same module object without that.
const lazyExports = new Set(["WebSocket", "CloseEvent", "MessageEvent", "default"])
const leanHttp: Plugin = {
  name: "lean-node-http",
  resolveId: (id) => (id === "node:http" ? "\0lean:node:http" : undefined),
  load: (id) => {
    if (id !== "\0lean:node:http") return undefined
    const names = Object.keys(http).filter((name) => !lazyExports.has(name) && /^\w+$/.test(name))
    return `const http = process.getBuiltinModule("node:http")\nexport default http\nexport const { ${names.join(", ")} } = http\n`
  }
}

// The HTTP server's package brings a WebSocket server that nothing here uses, and with it TLS, zlib and https.
const noWebSockets: Plugin = {
  name: "no-websockets",
  resolveId: (id) => (id === "ws" ? "\0none:ws" : undefined),
  load: (id) => {
    if (id !== "\0none:ws") return undefined
    const absent = "class { constructor() { throw new Error('this build has no WebSockets') } }"
    return `export const WebSocket = ${absent}\nexport const WebSocketServer = ${absent}\nexport default WebSocket\n`
  }
}

export default defineConfig({
  input: { main: "src/main.ts" },
  platform: "node",
  external: (id) => id !== "node:http" && (id.startsWith("node:") || builtinModules.includes(id)),
  plugins: [leanHttp, noWebSockets],
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
