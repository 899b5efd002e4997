/** A description as a property list of launchd. Pure. */
import { markOf, type ServiceDescription } from "./Description.ts"

/** Launchd's labels are written backwards, as domains are. */
export const launchdLabel = ({ label }: Pick<ServiceDescription, "label">): string => `dev.${label}.daemon`

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")

const string = (text: string): string => `<string>${escaped(text)}</string>`

const entries = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => `    <key>${escaped(name)}</key>\n    ${string(value)}`)
    .join("\n")

/**
 * The text of the property list. `checkDescription` comes before.
 *
 * @ref LLP 0027#the-property-list [implements]: what each key is for
 */
export const launchdPlist = (description: ServiceDescription): string => {
  const { environment, home, node, script } = description
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ${markOf(description)} -->
<plist version="1.0">
<dict>
  <key>Label</key>
  ${string(launchdLabel(description))}
  <key>ProgramArguments</key>
  <array>
    ${[node, script, "daemon"].map(string).join("\n    ")}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${entries({ ...environment, HOLDFAST_HOME: home, NODE_USE_ENV_PROXY: "1" })}
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <true/>
  <key>ThrottleInterval</key>
  <integer>1</integer>
  <key>ExitTimeOut</key>
  <integer>30</integer>
  <key>AbandonProcessGroup</key>
  <true/>
  <key>ProcessType</key>
  <string>Standard</string>
</dict>
</plist>
`
}
