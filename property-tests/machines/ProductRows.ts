/** Numbers in rows that grow: what the product graph is kept in. */

/** Numbers one after the other. */
export class Row<T extends Int32Array | Uint8Array> {
  private cells: T
  private readonly larger: (length: number) => T
  length = 0
  constructor(larger: (length: number) => T) {
    this.larger = larger
    this.cells = larger(1 << 16)
  }
  push(value: number): void {
    if (this.length === this.cells.length) {
      const cells = this.larger(this.length * 2)
      cells.set(this.cells)
      this.cells = cells
    }
    this.cells[this.length++] = value
  }
  at(index: number): number {
    return this.cells[index] as number
  }
  put(index: number, value: number): void {
    this.cells[index] = value
  }
  /** The cells themselves, without room to grow. */
  all(): T {
    return this.cells.subarray(0, this.length) as T
  }
}

export const ints = (): Row<Int32Array> => new Row((length) => new Int32Array(length))
export const bytes = (): Row<Uint8Array> => new Row((length) => new Uint8Array(length))
