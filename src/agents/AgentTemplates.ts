/** The file that a new agent begins with. */

export const TEMPLATE_LANGUAGES = ["python", "typescript", "javascript"] as const
export type TemplateLanguage = (typeof TEMPLATE_LANGUAGES)[number]

const SUMMARY = "Counts the words, lines and characters of a text."
const TEXT = "The text to count."

const python = (name: string): string => `"""${SUMMARY} Change it: the next request meets the file as it is then."""

from agents.basic_agent import BasicAgent


class ${className(name)}(BasicAgent):
    def __init__(self):
        self.name = "${name}"
        # What the model reads to decide when to call this, and with what.
        self.metadata = {
            "name": self.name,
            "description": "${SUMMARY}",
            "parameters": {
                "type": "object",
                "properties": {"text": {"type": "string", "description": "${TEXT}"}},
                "required": ["text"],
            },
        }
        super().__init__(self.name, self.metadata)

    def perform(self, text, **kwargs):
        return f"{len(text.split())} words, {len(text.splitlines())} lines, {len(text)} characters"
`

const script = (name: string, types: { readonly args: string; readonly count: string }): string =>
  `/** ${SUMMARY} Change it: the next request meets the file as it is then. */
export default {
  name: "${name}",
  // What the model reads to decide when to call this, and with what.
  description: "${SUMMARY}",
  parameters: {
    type: "object",
    properties: { text: { type: "string", description: "${TEXT}" } },
    required: ["text"]
  },
  perform({ text }${types.args}) {
    const count = (pattern${types.count}) => text.match(pattern)?.length ?? 0
    return \`\${count(/\\S+/g)} words, \${text === "" ? 0 : text.replace(/\\n$/, "").split("\\n").length} lines, \${[...text].length} characters\`
  }
}
`

/** The file of an agent `name` (letters, digits, `_`, `-`): what it is called, and what it holds. It runs as it is. */
export const agentTemplate = (
  name: string,
  language: TemplateLanguage
): { readonly file: string; readonly content: string } => {
  switch (language) {
    case "python":
      return { file: `${name}_agent.py`, content: python(name) }
    case "typescript":
      return { file: `${name}_agent.ts`, content: script(name, { args: ": { text: string }", count: ": RegExp" }) }
    case "javascript":
      // Whatever package.json lies above it, this is a module.
      return { file: `${name}_agent.mjs`, content: script(name, { args: "", count: "" }) }
  }
}

const className = (name: string): string => {
  const words = name.split(/[_-]+/).filter((word) => word !== "")
  const joined = words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join("")
  return `${/^[0-9]/.test(joined) || joined === "" ? "My" : ""}${joined}Agent`
}
