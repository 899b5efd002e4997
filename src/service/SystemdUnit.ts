/** A description as a unit of systemd. Pure. */
import { markOf, type ServiceDescription } from "./Description.ts"

/**
 * One word of a line, quoted, so that systemd reads back exactly this: backslash and quote escaped, and `%`, which begins
 * a specifier everywhere.
 */
export const unitWord = (text: string): string =>
  `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%")}"`

/** An argument of `ExecStart`, where `$` begins a variable as well; not so in the program itself. */
const argument = (text: string): string => unitWord(text).replaceAll("$", "$$$$")

/**
 * The text of the unit. `checkDescription` comes before.
 *
 * @ref LLP 0027#the-unit [implements]: what each line is for
 */
export const systemdUnit = (description: ServiceDescription): string => {
  const { environment, home, node, scope, script, uid, writable } = description
  const variables = { ...environment, HOLDFAST_HOME: home, NODE_USE_ENV_PROXY: "1" }
  const folders = [home, ...writable.filter((folder) => folder !== home)]
  return `# ${markOf(description)}
[Unit]
Description=Holdfast gateway daemon${scope === "user" ? "" : "\nWants=network-online.target\nAfter=network-online.target"}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart=${unitWord(node)} ${argument(script)} daemon
${Object.entries(variables)
  .map(([name, value]) => `Environment=${unitWord(`${name}=${value}`)}`)
  .join("\n")}${uid === null ? "" : `\nUser=${uid}`}
Restart=always
RestartSec=200ms
RestartForceExitStatus=75
SuccessExitStatus=75
TimeoutStopSec=30
WatchdogSec=60
KillMode=process
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=${folders.map((folder) => unitWord(`-${folder}`)).join(" ")}

[Install]
WantedBy=${scope === "user" ? "default.target" : "multi-user.target"}
`
}
