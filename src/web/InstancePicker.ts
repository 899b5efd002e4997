/** Chooses one of a machine's instances, or all of them together. */
import { h, setChildren } from "./Dom.ts"
import { choosable } from "./Instances.ts"
import { RUN_MACHINE } from "./RunFeed.ts"
import type { Seen } from "./Seen.ts"
import type { Machine } from "./Wire.ts"

export class InstancePicker {
  readonly root: HTMLElement
  readonly #machine: string
  readonly #select: HTMLSelectElement
  readonly #output = h("a", { hidden: true }, "Its output")

  constructor(machine: string, choose: (instance: string | null) => void) {
    this.#machine = machine
    this.#select = h("select", {
      id: "instance",
      change: () => choose(this.#select.value === "" ? null : this.#select.value)
    })
    this.root = h(
      "div",
      { class: "instances", hidden: true },
      h("label", { for: "instance" }, "Instance"),
      this.#select,
      this.#output
    )
  }

  update(seen: Seen, machine: Machine | undefined, chosen: string | null): void {
    const all = choosable(seen, machine, chosen)
    this.root.hidden = all.length === 0
    this.#output.hidden = this.#machine !== RUN_MACHINE || chosen === null
    if (chosen !== null) this.#output.href = `/runs#${encodeURIComponent(chosen)}`
    // Left alone while somebody chooses.
    if (document.activeElement === this.#select && this.#select.value === (chosen ?? "")) return
    setChildren(
      this.#select,
      h("option", { value: "" }, `all ${machine?.states.length ?? 0} together`),
      ...all.map(({ instance, words }) => h("option", { value: instance }, `${instance} · ${words}`))
    )
    this.#select.value = chosen ?? ""
  }
}
