/** What a sweep found, in a few lines. */
import type { Swept, Tally } from "./Sweep.ts"

const sum = (tallies: ReadonlyArray<Tally>): number => tallies.reduce((total, { count }) => total + count, 0)

const grouped = (
  tallies: ReadonlyArray<Tally>,
  by: (tally: Tally) => string
): ReadonlyArray<readonly [string, ReadonlyArray<Tally>]> => {
  const groups = new Map<string, Array<Tally>>()
  for (const tally of tallies) groups.set(by(tally), [...(groups.get(by(tally)) ?? []), tally])
  return [...groups]
}

const outcomes = (tallies: ReadonlyArray<Tally>): string =>
  grouped(tallies, ({ outcome }) => outcome)
    .map(([outcome, of]) => [outcome, sum(of)] as const)
    .sort((a, b) => b[1] - a[1])
    .map(([outcome, count]) => `${outcome} ${count}`)
    .join(" · ")

/** A line per file: how often it was damaged in which way, and what came of it. */
export const renderSingles = ({ booted, lived, tallies, trials }: Swept): string =>
  [
    `${trials} disks with one damaged file; ${booted} different answers of their readers booted, ${lived} lived to the next revision`,
    ...grouped(tallies, ({ file }) => file)
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([file, of]) => {
        const count = (...hows: ReadonlyArray<string>) => sum(of.filter(({ how }) => hows.includes(how)))
        const trials = `bytes ${count("byte")}, cuts ${count("cut")}, gone or replaced ${count("removed", "directory", "link")}`
        return `  ${file.padEnd(18)} ${trials.padEnd(46)} ${outcomes(of)}`
      })
  ].join("\n")

export const renderPairs = ({ booted, lived, tallies, trials }: Swept): string =>
  [
    `${trials} disks with two damaged files; ${booted} booted, ${lived} lived to the next revision`,
    ...outcomes(tallies)
      .split(" · ")
      .map((line) => `  ${line}`)
  ].join("\n")
