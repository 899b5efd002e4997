/** What the chat shows of text that models and agents wrote. Pure. */
import { plain } from "./Output.ts"

/** Text as a terminal may have it: lines and tabs, but nothing that commands the terminal or turns text around. */
export const harmless = (text: string): string => text.replace(/[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu, "")

/** A call of an agent in one line of at most `width` characters: the first line of what it gave. */
export const callLine = (
  { agent, result }: { readonly agent: string; readonly result: string },
  width: number
): string => {
  const first = result.split("\n").find((line) => plain(line) !== "") ?? ""
  const line = Array.from(`→ ${plain(agent)}: ${plain(first)}`.trimEnd())
  return line.length <= width ? line.join("") : `${line.slice(0, width - 1).join("")}…`
}

/** That another model answered than the one that was asked; null where it is that one, or nobody said. */
export const otherModel = (model: string | null, requested: string | null): string | null =>
  model === null || requested === null || isSame(requested, model)
    ? null
    : `${plain(model)} answered, instead of ${plain(requested)}.`

/** Providers add the date of a model to its name. */
const isSame = (requested: string, model: string): boolean =>
  model === requested || (model.startsWith(requested) && /^-\d[\d-]*$/.test(model.slice(requested.length)))

/** What the daemon says of an answer that the model's own limit cut short, at the end of its log; null of a whole one. */
export const shortAnswer = (log: string): string | null =>
  /(?:^|\n)\[model\] (The answer is not whole[^\n]*)$/.exec(log)?.[1] ?? null

/** A question and what was answered. */
export interface Exchange {
  readonly question: string
  readonly answer: string
}

/** How much of a conversation a model is told again, in characters. */
const HISTORY_CHARS = 400_000

/** A conversation as the API takes it; of one that is too long, the oldest exchanges are left out. */
export const historyOf = (exchanges: ReadonlyArray<Exchange>, max: number = HISTORY_CHARS) => {
  let room = max
  let left = exchanges.length
  for (const { answer, question } of exchanges.toReversed()) {
    room -= question.length + answer.length
    if (room < 0) break
    left -= 1
  }
  return exchanges
    .slice(left)
    .flatMap(({ answer, question }) => [
      { role: "user", content: question } as const,
      { role: "assistant", content: answer } as const
    ])
}
