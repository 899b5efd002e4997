/** Names of distributions and of modules, as the packaging standards of Python have them. */

/** Whether a name is one that a requirement could hold (PEP 508). */
export const isDistributionName = (name: string): boolean => /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i.test(name)

/** The one spelling that two names of the same distribution share (PEP 503). */
export const canonicalName = (name: string): string => name.replace(/[-_.]+/g, "-").toLowerCase()

/** The module that a distribution is expected to hold: what a reader of a lock protects besides those listed. */
export const moduleOfName = (name: string): string => canonicalName(name).replaceAll("-", "_")

/** Of a line of `top_level.txt`, the part that `import` looks up first; empty where there is none. */
export const firstPart = (module: string): string => module.split(/[./\\]/, 1)[0] ?? ""

/** By code points, as Python compares text; JavaScript's own order differs beyond U+FFFF. */
export const compareText = (a: string, b: string): number => {
  const left = [...a]
  const right = [...b]
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const order = (left[at]?.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? 0)
    if (order !== 0) return order
  }
  return left.length - right.length
}
