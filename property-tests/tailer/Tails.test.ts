import { describe, expect, it } from "vitest"
import { Tails } from "../../src/runs/Tails.ts"
import { options } from "../Options.ts"
import { SENTENCES } from "./TailSentences.ts"

describe("tailing, whatever becomes of file, file system, process and consumer", () => {
  it.each(Object.values(SENTENCES).map((sentence) => [sentence.title, sentence] as const))(
    "%s",
    async (_, sentence) => {
      expect(await sentence.find(Tails, options(sentence.share))).toBeNull()
    }
  )
})
