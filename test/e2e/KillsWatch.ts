/** Tells at once when a name appears, changes or goes in the directories that a daemon writes to. */
import { type FSWatcher, watch } from "node:fs"
import { join } from "node:path"
import { controlDirectory, stateDirectory } from "./KillsDisk.ts"
import type { Moment } from "./KillsPlan.ts"

export type Heard = (where: Moment["where"], name: string) => void

/** Watches a home whose control directory exists. */
export class KillsWatch {
  readonly #watchers = new Map<string, FSWatcher>()
  readonly #heard: Heard

  constructor(home: string, heard: Heard) {
    this.#heard = heard
    this.#open("state", stateDirectory(home))
    this.#open("control", controlDirectory(home))
    for (const slot of ["a", "b"]) this.#open("slot", join(controlDirectory(home), slot))
  }

  #open(where: Moment["where"], directory: string): void {
    this.#watchers.get(directory)?.close()
    this.#watchers.delete(directory)
    try {
      const watcher = watch(directory, { persistent: false }, (_kind, name) => {
        if (name === null) return
        // A slot is replaced by a rename: the watch would stay on the old one.
        if (where === "control" && (name === "a" || name === "b")) this.#open("slot", join(directory, name))
        this.#heard(where, name)
      })
      watcher.on("error", () => watcher.close())
      this.#watchers.set(directory, watcher)
    } catch {
      // It does not exist yet: its parent's watch tells when it does.
    }
  }

  /** Nothing more is told. */
  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }
}
