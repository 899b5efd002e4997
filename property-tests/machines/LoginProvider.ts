/** A provider of models as data: device codes that give their token once, and refresh tokens that can be spent once. */

export type Person = "a" | "b"

/** A token as the provider knows it; `flow` is the login that brought it. */
export interface Token {
  readonly access: string
  readonly refresh: string | null
  readonly person: Person
  readonly flow: string
}

interface Code {
  readonly flow: string
  readonly endsAt: number
  enteredBy: Person | null
  given: boolean
}

/** What a poll is answered; a code that is not known, or that gave its token, is refused. */
export type Polled =
  | { readonly kind: "pending" }
  | { readonly kind: "expired" }
  | { readonly kind: "refused"; readonly code: string; readonly message: string }
  | { readonly kind: "token"; readonly token: Token }

export class LoginProvider {
  private readonly codes = new Map<string, Code>()
  private readonly revoked = new Set<string>()
  private readonly spent = new Set<string>()
  private readonly subscribers = new Set<Person>(["a"])
  private count = 0

  /** A fresh device code; a life that is no number above 0 is the usual one. */
  newCode(flow: string, now: number, lifeMs: number): string {
    const code = `code-${++this.count}`
    const life = lifeMs > 0 ? lifeMs : 900_000
    this.codes.set(code, { flow, endsAt: now + life, enteredBy: null, given: false })
    return code
  }

  /** A person types the code; too late is too late. */
  enter(code: string, person: Person, now: number): boolean {
    const known = this.codes.get(code)
    if (known === undefined || known.enteredBy !== null || now >= known.endsAt) return false
    known.enteredBy = person
    return true
  }

  isAlive(code: string, now: number): boolean {
    const known = this.codes.get(code)
    return known !== undefined && !known.given && now < known.endsAt
  }

  poll(code: string, now: number, refreshable: boolean): Polled {
    const known = this.codes.get(code)
    if (known === undefined || known.given) return { kind: "refused", code: "incorrect_device_code", message: "spent" }
    if (known.enteredBy === null) return now >= known.endsAt ? { kind: "expired" } : { kind: "pending" }
    known.given = true
    return { kind: "token", token: this.newToken(known.enteredBy, known.flow, refreshable) }
  }

  exchange({ access, person }: Token): "session" | "no_access" | "unauthorized" {
    if (this.revoked.has(access)) return "unauthorized"
    return this.subscribers.has(person) ? "session" : "no_access"
  }

  /** Another token for the same account, or null: the refresh token is none, or was spent. */
  refresh(token: Token, refreshable: boolean): Token | null {
    if (token.refresh === null || this.spent.has(token.refresh)) return null
    this.spent.add(token.refresh)
    this.revoked.add(token.access)
    return this.newToken(token.person, token.flow, refreshable)
  }

  /** The access token alone is worth nothing any more. */
  revoke(token: Token): void {
    this.revoked.add(token.access)
  }

  /** The access token and what could renew it are worth nothing any more. */
  forget(token: Token): void {
    this.revoked.add(token.access)
    if (token.refresh !== null) this.spent.add(token.refresh)
  }

  /** Whether a person pays changes with time. */
  toggleSubscription(person: Person): void {
    if (!this.subscribers.delete(person)) this.subscribers.add(person)
  }

  /** A token that nobody logged in for: of the environment, or of a login long ago. */
  newToken(person: Person, flow: string, refreshable: boolean): Token {
    const number = ++this.count
    return { access: `access-${number}`, refresh: refreshable ? `refresh-${number}` : null, person, flow }
  }
}
