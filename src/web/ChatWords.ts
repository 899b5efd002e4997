/** What the chat says of answers that fail, of models, and of conversations. Pure. */
import type { Failure, Turn } from "./ChatTurn.ts"
import { sentence } from "./LoginView.ts"

/** What a person can do about a failure. */
export type Remedy = "retry" | "account" | "sign-up" | "model" | "new"

export interface FailureView {
  readonly word: string
  readonly text: string
  /** The most promising one first. */
  readonly remedies: ReadonlyArray<Remedy>
}

/** Codes that the page itself gives: nobody answers, the stream broke, this browser is not let in, nothing that can be read. */
export const LOST = "page_lost"
export const CUT = "page_cut"
export const REFUSED = "page_refused"
export const ODD = "page_odd"
/** An account without access, which the API tells in a form of its own. */
export const NO_ACCESS = "no_access"

export const failureView = ({ code, words }: Failure): FailureView => {
  const told = sentence(words)
  switch (code) {
    case LOST:
      return view(
        "The daemon does not answer",
        "Your question is kept here. Ask again once the daemon is back: at the top of the page it says so.",
        "retry"
      )
    case CUT:
      return view(
        "The connection broke",
        "The answer is not whole, and is not finished in the background: the daemon ended it with the connection.",
        "retry"
      )
    case REFUSED:
      return view(
        "This browser is not let in any longer",
        "Run holdfast open in a terminal, open its link in this browser, and come back: your question is kept here.",
        "retry"
      )
    case ODD:
      return view(
        "The daemon does not answer as it should",
        "Something between this browser and the daemon may have changed its answer.",
        "retry"
      )
    case "not_signed_in":
      return view("Sign in first", `${told} Or sign in here, at the model account.`, "account", "retry")
    case NO_ACCESS:
      return view(
        `No access${words === "" ? "" : ` for ${words}`}`,
        "The account has no subscription that lets it use models: switch to another account, or sign this one up.",
        "account",
        "sign-up",
        "retry"
      )
    case "provider_unavailable":
      return view("The account cannot be used just now", told, "retry", "account")
    case "model_rate_limited":
      return view("Too many requests", told, "retry", "model")
    case "model_unavailable":
      return view("The model cannot be reached", told, "retry", "model")
    case "model_unknown":
      return view("There is no such model", told.replace(/ GET \/models lists those it has\.$/, ""), "model", "retry")
    case "model_forbidden":
      return view("The model may not be asked", told, "model", "account", "retry")
    case "model_answer_cut":
      return view("The answer broke off", told, "retry", "model")
    case "body_too_large":
      return view("This conversation is too long", told, "new")
    case "invalid_request":
      return view("The daemon does not take the question", told, "retry", "new")
    default:
      return view("There is no answer", told === "" ? `The daemon says no more than ${code}.` : told, "retry", "model")
  }
}

const view = (word: string, text: string, ...remedies: ReadonlyArray<Remedy>): FailureView => ({ word, text, remedies })

/** Which model answered, and which one should have; empty when nobody said. */
export const modelWords = ({ model, requested }: Pick<Turn, "model" | "requested">): string => {
  if (model === null) return requested === null ? "" : `asked ${requested}`
  return requested === null || isSame(requested, model) ? model : `asked ${requested}, answered by ${model}`
}

/** Providers add the date of a model to its name. */
const isSame = (requested: string, model: string): boolean =>
  model === requested || (model.startsWith(requested) && /^-\d[\d-]*$/.test(model.slice(requested.length)))

const TITLE_CHARS = 60

/** The first words of a question, as the name of its conversation. */
export const titleOf = (question: string): string => {
  const text = question.replace(/\s+/g, " ").trim()
  if (text.length <= TITLE_CHARS) return text
  const cut = text.slice(0, TITLE_CHARS)
  const space = cut.lastIndexOf(" ")
  return `${cut.slice(0, space > TITLE_CHARS / 2 ? space : TITLE_CHARS).replace(/[\ud800-\udbff]$/, "")}…`
}
