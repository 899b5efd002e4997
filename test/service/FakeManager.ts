/** A fake of a service manager: a folder of scripts by the names of its programs, which record how they are called. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const RECORD = `#!/bin/sh
here=$(dirname "$0")
echo "$(basename "$0") $*" >> "$here/calls"
[ ! -e "$here/refuses" ] || ! echo " $* " | grep -q -- " $(cat "$here/refuses")" || { echo "Access denied" >&2; exit 1; }
`

const SCRIPTS = {
  systemd: {
    systemctl: `case " $* " in *NeedDaemonReload*) echo NeedDaemonReload=$([ -e "$here/stale" ] && echo yes || echo no);; *" daemon-reload "*) rm -f "$here/stale";; *" show "*) printf 'ActiveState=active\\nSubState=running\\nMainPID=%s\\n' "$(cat "$here/pid" 2> /dev/null || echo 0)";; *" start "* | *" restart "*) [ ! -e "$here/on-start" ] || . "$here/on-start";; esac\n`,
    journalctl: `echo "from the journal"\n`
  },
  // What is booted out is still found twice.
  launchd: {
    launchctl: `case $1 in
print)
  [ -e "$here/loaded" ] || exit 113
  echo "	state = running"; echo "	pid = 4711"
  [ ! -e "$here/ending" ] || { echo >> "$here/ending"; [ "$(wc -l < "$here/ending")" -lt 3 ] || rm "$here/loaded" "$here/ending"; };;
bootstrap) [ ! -e "$here/loaded" ] || exit 37; touch "$here/loaded";;
bootout) echo > "$here/ending";;
esac\n`
  }
} as const

export class FakeManager {
  readonly folder: string

  constructor(root: string, kind: "systemd" | "launchd") {
    this.folder = join(root, `fake-${kind}`)
    mkdirSync(this.folder)
    for (const [name, script] of Object.entries(SCRIPTS[kind])) {
      writeFileSync(join(this.folder, name), RECORD + script)
      chmodSync(join(this.folder, name), 0o755)
    }
  }

  get env(): Readonly<Record<string, string>> {
    return { HOLDFAST_TEST_SERVICE_MANAGER: this.folder }
  }

  /** How its programs were called since the last time, one call a line. */
  calls(): ReadonlyArray<string> {
    const file = join(this.folder, "calls")
    const lines = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []
    writeFileSync(file, "")
    return lines.filter((line) => line !== "")
  }

  /**
   * Makes something so: `refuses` (calls of that action fail; every one without), `stale` (systemd has not read what
   * lies there), `pid` (of the service), `on-start` (what a start does).
   */
  put(name: "refuses" | "stale" | "pid" | "on-start", text = ""): void {
    writeFileSync(join(this.folder, name), text)
  }

  /** Takes it back. */
  remove(name: "refuses"): void {
    rmSync(join(this.folder, name))
  }
}
