/** A strict reader of the Prometheus text format 0.0.4: whatever a scraper might trip over is an error here. */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly samples: ReadonlyArray<Sample>
}

const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*"
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\n"])*"'
const VALUE = "[-+]?(?:\\d+(?:\\.\\d+)?(?:e[-+]?\\d+)?|Inf)|NaN"
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (${VALUE})$`)
const COMMENT = new RegExp(`^# (HELP|TYPE) (${NAME}) (.+)$`)
const SUFFIXES: Readonly<Record<string, ReadonlyArray<string>>> = {
  counter: [""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"]
}

/** Reads a whole page, or throws with the line that is wrong. */
export const parseExposition = (text: string): ReadonlyMap<string, Family> => {
  if (!text.endsWith("\n")) throw new Error("the last line does not end")
  const families = new Map<string, { name: string; type: string; help: string; samples: Array<Sample> }>()
  const seen = new Set<string>()
  let open: { name: string; type: string; help: string; samples: Array<Sample> } | undefined
  const demand = (holds: boolean, rule: string, line: string) => {
    if (!holds) throw new Error(`${rule}: ${line}`)
  }
  for (const line of text.slice(0, -1).split("\n")) {
    if (line.startsWith("#")) {
      const [, kind, name = "", rest = ""] = COMMENT.exec(line) ?? []
      demand(kind !== undefined, "neither HELP nor TYPE", line)
      if (kind === "HELP") {
        demand(!families.has(name), "HELP twice, or a family in two places", line)
        open = { name, type: "", help: rest, samples: [] }
        families.set(name, open)
      } else {
        demand(open?.name === name && open.type === "" && open.samples.length === 0, "TYPE not right after HELP", line)
        demand(rest in SUFFIXES, "an unknown type", line)
        if (open !== undefined) open.type = rest
      }
      continue
    }
    const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? []
    demand(name !== "", "not a sample", line)
    const suffixes = SUFFIXES[open?.type ?? ""] ?? []
    demand(
      suffixes.some((suffix) => name === `${open?.name}${suffix}`),
      "a sample outside its family",
      line
    )
    const key = line.slice(0, line.lastIndexOf(" "))
    demand(!seen.has(key), "a series twice", line)
    seen.add(key)
    const pairs = [...labels.matchAll(new RegExp(LABEL, "g"))].map(([pair]) => {
      const at = pair.indexOf("=")
      return [pair.slice(0, at), pair.slice(at + 2, -1).replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c))] as const
    })
    demand(new Set(pairs.map(([label]) => label)).size === pairs.length, "a label twice", line)
    open?.samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value.replace("Inf", "Infinity")) })
  }
  for (const family of families.values()) {
    demand(family.samples.length > 0, "a family without samples", family.name)
    if (family.type === "counter")
      demand(
        family.samples.every(({ value }) => value >= 0),
        "a negative counter",
        family.name
      )
    if (family.type === "histogram") checkHistogram(family, demand)
  }
  return families
}

const checkHistogram = (
  { name, samples }: Family,
  demand: (holds: boolean, rule: string, line: string) => void
): void => {
  const series = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels))
  for (const [labels, group] of series) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`)
    const bounds = buckets.map((sample) => Number((sample.labels["le"] ?? "").replace("Inf", "Infinity")))
    const counts = buckets.map(({ value }) => value)
    const rising = (numbers: ReadonlyArray<number>, strictly: boolean) =>
      numbers.every((number, index) => {
        const before = numbers[index - 1] ?? -Infinity
        return strictly ? number > before : number >= before
      })
    demand(rising(bounds, true) && bounds.at(-1) === Infinity, "bounds that do not rise to +Inf", name + labels)
    demand(rising(counts, false), "buckets that are not cumulative", name + labels)
    const count = group.find((sample) => sample.name === `${name}_count`)
    demand(count !== undefined && count.value === counts.at(-1), "a count that is not the last bucket", name + labels)
    demand(group.filter((sample) => sample.name === `${name}_sum`).length === 1, "not one sum", name + labels)
  }
}

/** The value of one series, by family and labels (without `le`); undefined when it is not listed. */
export const valueOf = (
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {}
): number | undefined => {
  const family = families.get(name.replace(/_(bucket|sum|count)$/, "")) ?? families.get(name)
  return family?.samples.find(
    (sample) =>
      sample.name === name &&
      Object.keys(sample.labels).length === Object.keys(labels).length &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
  )?.value
}
