/** How far a revision has spread: a bar in pieces, and each piece in words. */
import type { RevisionView } from "../domain/index.ts"
import { h, setText } from "./Dom.ts"
import { counted, spreadWords, STAND_WORDS } from "./FleetWords.ts"
import { type ConfigState, type Stand, STANDS } from "./FleetWire.ts"

/** A piece of a bar; no piece is without gateways. */
export interface Piece {
  readonly stand: Stand
  readonly count: number
}

/** Where the gateways of a config stand, from those that are there to those that gave it up. */
export const piecesOf = ({ standings }: Pick<ConfigState, "standings">): ReadonlyArray<Piece> =>
  STANDS.map((stand) => ({ stand, count: standings[stand] })).filter(({ count }) => count > 0)

/** How one revision does; the rest of the gateways is somewhere else. */
export const spreadOf = ({ convergence }: Pick<RevisionView, "convergence">): ReadonlyArray<Piece> =>
  (
    [
      ["converged", convergence.promoted],
      ["probation", convergence.probation],
      ["unconfirmed", convergence.unconfirmed],
      ["restarting", convergence.restarting],
      ["refused", convergence.refused],
      ["rolled_back", convergence.rolled_back]
    ] as const
  )
    .map(([stand, count]) => ({ stand, count }))
    .filter(({ count }) => count > 0)

export const piecesWords = (pieces: ReadonlyArray<Piece>): string =>
  pieces.map(({ count, stand }) => `${counted(count)} ${STAND_WORDS[stand].word}`).join(", ") || "none"

export interface Bar {
  readonly root: HTMLElement
  readonly update: (pieces: ReadonlyArray<Piece>, words: string) => void
}

/** The pieces stay the same elements, so that they grow instead of jumping. */
export const bar = (kind: "large" | "small"): Bar => {
  const pieces = new Map(
    STANDS.map((stand) => [stand, h("span", { class: "piece", "data-stand": stand, hidden: true })] as const)
  )
  const root = h("div", { class: `bar ${kind}`, role: "img" }, ...pieces.values())
  return {
    root,
    update: (next, words) => {
      root.setAttribute("aria-label", words)
      for (const [stand, piece] of pieces) {
        const count = next.find((one) => one.stand === stand)?.count ?? 0
        piece.hidden = count === 0
        const grow = String(count)
        if (piece.style.flexGrow !== grow) piece.style.flexGrow = grow
      }
    }
  }
}

export interface Legend {
  readonly root: HTMLElement
  readonly update: (pieces: ReadonlyArray<Piece>, chosen: Stand | null) => void
}

/** The pieces in words; each lists its gateways. */
export const legend = (choose: (stand: Stand) => void): Legend => {
  const entries = new Map(
    STANDS.map((stand) => {
      const { about, word } = STAND_WORDS[stand]
      const count = h("strong", {})
      const button = h(
        "button",
        { type: "button", title: `Gateways that ${about}`, click: () => choose(stand) },
        h("span", { class: "swatch", "data-stand": stand, "aria-hidden": "true" }),
        count,
        ` ${word}`
      )
      return [stand, { count, button, item: h("li", { hidden: true }, button) }] as const
    })
  )
  const root = h("ul", { class: "legend" }, ...[...entries.values()].map(({ item }) => item))
  return {
    root,
    update: (pieces, chosen) => {
      for (const [stand, { button, count, item }] of entries) {
        const piece = pieces.find((one) => one.stand === stand)
        item.hidden = piece === undefined
        setText(count, counted(piece?.count ?? 0))
        button.setAttribute("aria-pressed", String(chosen === stand))
      }
    }
  }
}

/** The bar of one revision, of so many gateways. */
export const spreadBar = (): {
  readonly root: HTMLElement
  readonly update: (one: RevisionView, all: number) => void
} => {
  const small = bar("small")
  const rest = h("span", { class: "piece rest" })
  small.root.append(rest)
  return {
    root: small.root,
    update: (revision, all) => {
      const pieces = spreadOf(revision)
      small.update(pieces, spreadWords(revision))
      const elsewhere = Math.max(0, all - pieces.reduce((sum, { count }) => sum + count, 0))
      rest.style.flexGrow = String(elsewhere === 0 && pieces.length > 0 ? 0 : Math.max(elsewhere, 1))
      rest.hidden = elsewhere === 0 && pieces.length > 0
    }
  }
}
