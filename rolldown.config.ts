import { readdirSync, readFileSync } from "node:fs"
import { defineConfig, type Plugin, type RolldownOptions } from "rolldown"
import { isolatedDeclarationSync } from "rolldown/experimental"
import { openApiOf } from "./src/domain/DaemonApi.ts"
import { apiDocs } from "./src/web/ApiDocs.ts"

// An ES import of one of these reads all that it exports, and so loads what Node itself loads lazily: node:http brings
// the whole of fetch (14 MB), node:tls its root certificates, node:crypto every algorithm. In the bundle such a module is
// loaded when something of it is first used. The entry is left alone, for it runs on Nodes without `getBuiltinModule`.
const lazyModules = new Set(["child_process", "crypto", "fs", "http", "readline", "tls", "zlib"])
const lazyBuiltins: Plugin = {
  name: "lazy-builtins",
  resolveId: (id, importer, { kind }) => {
    const name = id.replace(/^node:/, "")
    const wanted = kind === "import-statement" && importer?.endsWith("/src/main.ts") === false && lazyModules.has(name)
    return wanted ? `\0lazy:${name}` : undefined
  },
  load: (id) => {
    if (!id.startsWith("\0lazy:")) return undefined
    const name = `node:${id.slice("\0lazy:".length)}`
    const exported = Object.keys(process.getBuiltinModule(name) ?? {}).filter((key) => /^\w+$/.test(key))
    const getters = exported.map((key) => `get ${key}() { return process.getBuiltinModule("${name}").${key} }`)
    return `module.exports = {\n${getters.join(",\n")}\n}\n`
  }
}

// The HTTP server's package brings a WebSocket server that nothing here uses.
const noWebSockets: Plugin = {
  name: "no-websockets",
  resolveId: (id) => (id === "ws" ? "\0none:ws" : undefined),
  load: (id) => {
    if (id !== "\0none:ws") return undefined
    const absent = "class { constructor() { throw new Error('this build has no WebSockets') } }"
    return `export const WebSocket = ${absent}\nexport const WebSocketServer = ${absent}\nexport default WebSocket\n`
  }
}

// The second bundle, beside the chunks of the first.
const ownDaemon: Plugin = {
  name: "own-daemon",
  resolveId: (id) => (id.endsWith("/daemon/index.ts") ? { id: "./daemon.js", external: true } : undefined)
}

// The shell of a page, and its looks after those that all pages share.
const shellOf = (page: string): ReadonlyArray<readonly [file: string, source: string]> => {
  const source = (file: string): string => readFileSync(`src/web/${file}`, "utf8")
  return [
    [`${page}.html`, source(`${page}.html`)],
    [`${page}.css`, source("base.css") + source(`${page}.css`)]
  ]
}

// What the pages are made of besides code: the shell, the looks, the pictures and coverage of the machines, and the
// description of the API, which costs the running daemon nothing this way.
const pageFiles: Plugin = {
  name: "page-files",
  generateBundle() {
    const emit = (fileName: string, source: string): void => void this.emitFile({ type: "asset", fileName, source })
    for (const [name, source] of shellOf("app")) emit(name, source)
    const api = openApiOf(readFileSync("VERSION", "utf8").trim())
    emit("openapi.json", JSON.stringify(api))
    emit("docs.html", apiDocs(api))
    for (const file of readdirSync("llp/machines")) {
      const source = readFileSync(`llp/machines/${file}`, "utf8")
      if (file.endsWith(".svg")) emit(`machines/${file}`, source)
      if (file.endsWith(".json")) emit(`machines/${file}`, JSON.stringify(JSON.parse(source)))
    }
  }
}

// The page of central: a bundle of its own, with the looks that all pages share.
const fleetFiles: Plugin = {
  name: "fleet-files",
  generateBundle() {
    for (const [fileName, source] of shellOf("fleet")) this.emitFile({ type: "asset", fileName, source })
  }
}

// What the adapter for Paperclip is beside its code: a package of its own, for a host that loads it by its path.
const adapterPackage: Plugin = {
  name: "adapter-package",
  generateBundle() {
    const { dependencies, engines, license } = JSON.parse(readFileSync("package.json", "utf8"))
    const library = "@kubernetes/client-node"
    const manifest = {
      name: "@holdfast/paperclip-adapter",
      version: readFileSync("VERSION", "utf8").trim(),
      description:
        "Runs OpenCode agents of Paperclip as Kubernetes Jobs, with output and verdicts that can be trusted.",
      license,
      type: "module",
      // The host's contract for parsers of its pages.
      paperclip: { adapterUiParser: "1.0.0" },
      main: "./index.js",
      exports: { ".": "./index.js", "./ui-parser": "./ui-parser.cjs", "./package.json": "./package.json" },
      files: ["index.js", "ui-parser.cjs"],
      dependencies: { [library]: dependencies[library] },
      engines
    }
    this.emitFile({ type: "asset", fileName: "package.json", source: `${JSON.stringify(manifest, null, 2)}\n` })
  }
}

// The types of `holdfast/handler`, which no user's compiler should look for in packages that he does not have: what this
// one file says without any other.
const handlerTypes: Plugin = {
  name: "handler-types",
  generateBundle() {
    const file = "src/handler/AgentServer.ts"
    const { code, errors } = isolatedDeclarationSync(file, readFileSync(file, "utf8"))
    const problems = errors.map(({ message }) => message)
    if (/^import /m.test(code)) problems.push("its exports name types of other files")
    if (problems.length > 0) this.error(`${file} has no declarations of its own: ${problems.join("; ")}`)
    this.emitFile({ type: "asset", fileName: "handler.d.ts", source: code })
  }
}

// What few daemons need, each with what it alone needs of its dependencies: src/telemetry/Otlp.ts; the core lock; what
// fetches, reads and hashes plugins; agents and chat, and runs, all but their
// routes and what their tails tell the metrics; and their backend for Kubernetes, whose client is large and stays a package.
const apart = new RegExp(
  [
    "/src/telemetry/Otlp\\.ts$",
    "/observability/Otlp\\w+\\.js$",
    "/FiberSet\\.js$",
    "/src/daemon/(Agents|Runs)Layer\\.ts$",
    "/src/agents/(?!(Agent(FileName|FileRoutes|Files|Record|Settings|Store)|Chat|Chat(Health|Models|Request|Routes)|index)\\.ts$)",
    "/src/daemon/CoreLockLayer\\.ts$",
    "/src/boundary/",
    "/src/service/",
    "/src/process/(?!(EndProcess|index)\\.ts$)",
    "/src/plugins/(Artifact|ArtifactRules|Fetch|Git|Tarball)\\.ts$",
    "/effect/dist/encoding/Tar\\.js$",
    "/src/runs/(?!(RunRoutes|TailMeter|index)\\.ts$)",
    "/src/domain/Runs\\.ts$",
    "/process/ChildProcess\\w*\\.js$",
    "/NodeChildProcessSpawner\\.js$"
  ].join("|")
)

const common: RolldownOptions = {
  platform: "node",
  // Large, loaded by few, and not made to be bundled.
  external: ["@kubernetes/client-node"],
  // Nothing reads a property for its side effects; without this, node:zlib comes with the HTTP server's package.
  treeshake: { propertyReadSideEffects: false },
  tsconfig: false,
  transform: { target: "node22" }
}

const output: RolldownOptions["output"] = {
  dir: "dist",
  format: "esm",
  // A single other character makes a file twice as large in memory.
  charset: "ascii",
  // Small on disk and in memory, and a stack trace still names what it went through.
  minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
  sourcemap: false
}

export default defineConfig([
  {
    ...common,
    input: { main: "src/main.ts" },
    plugins: [lazyBuiltins, noWebSockets, ownDaemon],
    output: {
      ...output,
      cleanDir: true,
      entryFileNames: "[name].js",
      chunkFileNames: "chunks/[name]-[hash].js",
      banner: (chunk) => (chunk.isEntry ? "#!/usr/bin/env node" : "")
    }
  },
  // The daemon is one file with what it needs and nothing else: one read, one entry of the compile cache, and code of
  // the commands neither loaded nor compiled. Only who exports over OTLP loads a second one.
  {
    ...common,
    input: { daemon: "src/daemon/index.ts" },
    preserveEntrySignatures: "allow-extension",
    plugins: [lazyBuiltins, noWebSockets],
    output: {
      ...output,
      entryFileNames: "chunks/[name].js",
      chunkFileNames: "chunks/daemon-[name].js",
      codeSplitting: {
        groups: [{ name: "daemon", test: (id) => !apart.test(id), includeDependenciesRecursively: false }]
      }
    }
  },
  // What `holdfast/handler` is: for hosts that bundle or copy it, one file.
  {
    ...common,
    input: { handler: "src/handler/index.ts" },
    plugins: [lazyBuiltins, noWebSockets, handlerTypes],
    output: { ...output, entryFileNames: "[name].js", codeSplitting: false }
  },
  // One file, for the host reloads an adapter by reading its entry again; nothing in it waits while it is loaded.
  {
    ...common,
    input: { index: "src/paperclip/index.ts" },
    plugins: [lazyBuiltins, noWebSockets, adapterPackage],
    output: { ...output, dir: "dist/paperclip-adapter", entryFileNames: "[name].js", codeSplitting: false }
  },
  {
    input: { "ui-parser": "src/paperclip/UiParser.ts" },
    platform: "browser",
    tsconfig: false,
    output: {
      dir: "dist/paperclip-adapter",
      format: "cjs",
      entryFileNames: "[name].cjs",
      codeSplitting: false,
      minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } }
    }
  },
  // The pages, which the daemon serves as they lie here.
  {
    input: { app: "src/web/App.ts" },
    platform: "browser",
    tsconfig: false,
    plugins: [pageFiles],
    output: { dir: "dist/web", format: "esm", entryFileNames: "[name].js", minify: true, codeSplitting: false }
  },
  {
    input: { fleet: "src/web/FleetApp.ts" },
    platform: "browser",
    tsconfig: false,
    plugins: [fleetFiles],
    output: { dir: "dist/web", format: "esm", entryFileNames: "[name].js", minify: true, codeSplitting: false }
  }
])
