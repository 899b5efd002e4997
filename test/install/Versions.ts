/** Versions and what is none, for the shell and for the command alike. */

/** Older and newer, next to each other in semver's order. */
export const ascending = [
  "0.0.0",
  "0.1.0-alpha",
  "0.1.0-alpha.1",
  "0.1.0-alpha.9",
  "0.1.0-alpha.10",
  "0.1.0-alpha.a",
  "0.1.0-alpha.a-",
  "0.1.0-alpha-1",
  "0.1.0-beta",
  "0.1.0-rc.2.x",
  "0.1.0-rc.10",
  "0.1.0",
  "0.9.9",
  "0.10.0",
  "1.0.0--",
  "1.0.0-A",
  "1.0.0-a",
  "1.0.0",
  "1.9.10",
  "1.10.9",
  "999999999999999.0.0"
] as const

/** What a server may say instead of a version, with what is said about it. */
export const refused: ReadonlyArray<readonly [what: string, body: string | Uint8Array, said: RegExp]> = [
  ["a command in an index", "a[$(touch pwned)]", /characters that no version has|do not look like/],
  ["a command after a version", "1.2.3; rm -rf pwned", /characters that no version has|do not look like/],
  ["a substitution", "$(touch pwned)", /characters that no version has|do not look like/],
  ["a substitution of old", "`touch pwned`", /characters that no version has|do not look like/],
  [
    "an arithmetic index in a pre-release",
    "1.2.3-x[$(touch pwned)]",
    /characters that no version has|do not look like/
  ],
  ["nothing", "", /nothing/],
  ["a line end", "\n", /nothing/],
  ["10 MB", new Uint8Array(10_000_000).fill(0x31), /more than 64 KiB/],
  ["64 KiB of a version", `1.2.3-${"a".repeat(65_530)}`, /do not look like/],
  ["a web page", "<!doctype html>\n<title>Sign in</title>\n", /look like a web page/],
  ["a second line", "1.2.3\n4.5.6\n", /more than one line/],
  ["two words", "1.2.3 4.5.6", /do not look like/],
  ["an option", "--upload-pack=touch", /do not look like|characters that no version has/],
  ["a path", "../../1.2.3", /characters that no version has|do not look like/],
  ["two numbers", "1.2", /do not look like/],
  ["four numbers", "1.2.3.4", /do not look like/],
  ["a letter before it", "v1.2.3", /do not look like/],
  ["build metadata", "1.2.3+4", /characters that no version has|do not look like/],
  ["a leading zero", "01.2.3", /do not look like/],
  ["a leading zero in a pre-release", "1.2.3-rc.01", /do not look like/],
  ["an empty identifier", "1.2.3-a..b", /do not look like/],
  ["an empty pre-release", "1.2.3-", /do not look like/],
  ["dots for a pre-release", "1.2.3-..", /do not look like/],
  ["a number beyond counting", "1.2.1000000000000000", /do not look like/],
  ["a number far beyond counting", `${"9".repeat(50)}.0.0`, /do not look like/],
  ["65 characters", `1.2.3-${"a".repeat(59)}`, /do not look like/],
  ["a zero byte in it", "1.2\0.3", /characters that no version has|do not look like/],
  ["a byte order mark", "\ufeff1.2.3", /characters that no version has|do not look like/],
  ["digits of another script", "１.２.３", /characters that no version has|do not look like/],
  ["a terminal's escape", "\u001b]0;pwned\u0007", /characters that no version has|do not look like/]
]
