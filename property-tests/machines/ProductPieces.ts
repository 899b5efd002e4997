/** The pieces that states of the product graph are made of: equal ones are one, and what becomes of one is found out once. */

/** Equal pieces of states are one object with one number. */
const pieces = new Map<string, object>()
const numbers = new WeakMap<object, number>()

export const shared = <T extends object>(piece: T): T => {
  const text = JSON.stringify(piece)
  const known = pieces.get(text)
  if (known !== undefined) return known as T
  pieces.set(text, piece)
  numbers.set(piece, pieces.size)
  return piece
}

export const numberOf = (piece: object | string): number | string =>
  typeof piece === "string" ? piece : (numbers.get(piece) ?? 0)

/** What becomes of a piece, found out once. */
export const memo = <T extends object>(change: (piece: T) => T): ((piece: T) => T) => {
  const known = new WeakMap<T, T>()
  return (piece) => {
    let after = known.get(piece)
    if (after === undefined) known.set(piece, (after = change(piece)))
    return after
  }
}
