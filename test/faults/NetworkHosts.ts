/** A daemon that learns where central is from a file of its own, so that a name can become unknown and known again. */
import { spawnSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Environment } from "../e2e/Processes.ts"

/** How a daemon is started so that it resolves names by a hosts file alone. */
export interface Resolver {
  /** What the table says: the system's own resolver, or one that stands in for it. */
  readonly kind: "real" | "simulated"
  readonly wrapper: ReadonlyArray<string>
  readonly env: Environment
}

const NAMESPACE = ["unshare", process.getuid?.() === 0 ? "-m" : "-rm"]
const MOUNT = 'mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/nsswitch.conf && shift && exec "$@"'

/** A module that the daemon loads first: names are known as far as the file says, and no resolver is asked. */
const standIn = (hosts: string): string => `
import dns from "node:dns"
import { readFileSync } from "node:fs"
dns.lookup = (name, options, done) => {
  const isKnown = readFileSync(${JSON.stringify(hosts)}, "utf8").split(/\\s+/).includes(name)
  if (!isKnown) {
    const error = Object.assign(new Error("getaddrinfo ENOTFOUND " + name), { code: "ENOTFOUND", syscall: "getaddrinfo" })
    process.nextTick(done, error)
  } else if (options.all) process.nextTick(done, null, [{ address: "127.0.0.1", family: 4 }])
  else process.nextTick(done, null, "127.0.0.1", 4)
}
`

/**
 * In a mount namespace of its own the daemon sees `hosts` as /etc/hosts, and asks nobody else: the real resolver with a
 * real answer. Where namespaces are not to be had, a stand-in for \`dns.lookup\` reads the same file.
 */
export const resolveBy = (hosts: string, folder: string): Resolver => {
  const switches = join(folder, "nsswitch.conf")
  writeFileSync(hosts, "")
  writeFileSync(switches, "hosts: files\n")
  const wrapper = [...NAMESPACE, "sh", "-c", MOUNT, hosts, switches]
  const [command = "", ...rest] = wrapper
  if (existsSync("/etc/nsswitch.conf") && spawnSync(command, [...rest, "true"]).status === 0) {
    return { kind: "real", wrapper, env: {} }
  }
  const module = join(folder, "resolver.mjs")
  writeFileSync(module, standIn(hosts))
  return { kind: "simulated", wrapper: [], env: { NODE_OPTIONS: `--import=${module}` } }
}
