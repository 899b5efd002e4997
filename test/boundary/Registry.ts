/** A registry of packages on loopback, and the real npm that installs from it. */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { dirname, join } from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)

/** A package: its package.json and files. */
export interface NodePackage {
  readonly name: string
  readonly version: string
  readonly [field: string]: unknown
  readonly files?: Readonly<Record<string, string>>
}

export const writeFiles = (directory: string, files: Readonly<Record<string, string>>): void => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
}

const npmEnvironment = (root: string): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))),
  npm_config_cache: join(root, "npm-cache"),
  npm_config_userconfig: join(root, "npmrc"),
  npm_config_update_notifier: "false",
  npm_config_audit: "false",
  npm_config_fund: "false"
})

/** Serves packages; `npm` runs the machine's npm against it. */
export const startRegistry = async (root: string, packages: ReadonlyArray<NodePackage>) => {
  writeFileSync(join(root, "npmrc"), "")
  const documents = new Map<string, any>()
  const archives = new Map<string, Buffer>()
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "").slice(1)
    const archive = archives.get(path)
    if (archive !== undefined) return void response.end(archive)
    const document = documents.get(path)
    response.writeHead(document === undefined ? 404 : 200, { "content-type": "application/json" })
    response.end(JSON.stringify(document ?? { error: "not found" }))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  for (const { files = { "index.js": "" }, ...manifest } of packages) {
    const key = `${manifest.name.replace("/", "-")}-${manifest.version}`
    const folder = join(root, "sources", key)
    writeFiles(folder, { ...files, "package.json": JSON.stringify(manifest) })
    // What it bundles is there when it is packed.
    const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
      cwd: folder,
      env: npmEnvironment(root)
    })
    const packed = JSON.parse(stdout)
    const [{ filename }] = Array.isArray(packed) ? packed : Object.values<any>(packed)
    const archive = readFileSync(join(folder, filename))
    archives.set(`${key}.tgz`, archive)
    const document = documents.get(manifest.name) ?? { name: manifest.name, "dist-tags": {}, versions: {} }
    document["dist-tags"].latest = manifest.version
    document.versions[manifest.version] = {
      ...manifest,
      dist: {
        tarball: `${url}${key}.tgz`,
        integrity: `sha512-${createHash("sha512").update(archive).digest("base64")}`
      }
    }
    documents.set(manifest.name, document)
  }
  return {
    url,
    npm: async (directory: string, ...args: ReadonlyArray<string>): Promise<void> => {
      await run("npm", [...args, "--registry", url, "--ignore-scripts"], { cwd: directory, env: npmEnvironment(root) })
    },
    close: () => new Promise((resolve) => server.close(resolve))
  }
}
