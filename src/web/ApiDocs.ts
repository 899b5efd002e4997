/** The page `/docs`: the API's description for people, made when the program is built. Pure; it needs no script. */

/** What of an OpenAPI document the page shows. */
export interface ApiDescription {
  readonly info: { readonly title: string; readonly version: string; readonly description?: string }
  readonly tags?: ReadonlyArray<{ readonly name: string; readonly description?: string }>
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, unknown>> }
}

interface Operation {
  readonly tags?: ReadonlyArray<string>
  readonly operationId?: string
  readonly summary?: string
  readonly description?: string
  readonly security?: ReadonlyArray<unknown>
  readonly parameters?: ReadonlyArray<{ readonly name: string; readonly in: string; readonly required?: boolean }>
  readonly requestBody?: { readonly content?: Readonly<Record<string, { readonly schema?: unknown }>> }
  readonly responses?: Readonly<Record<string, Response>>
}

interface Response {
  readonly description?: string
  readonly content?: Readonly<Record<string, { readonly schema?: unknown }>>
}

interface Json {
  readonly [key: string]: unknown
}

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign] ?? sign)

/** Words with `code` in them. */
const prose = (text: string): string => escape(text).replace(/`([^`]+)`/g, "<code>$1</code>")

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** A schema as a type is written. */
const typeText = (schema: unknown, components: Json, indent = ""): string => {
  if (!isObject(schema)) return "any"
  const { $ref: reference, anyOf, allOf, const: constant, enum: values, items, oneOf, properties, type } = schema
  const further = `${indent}  `
  if (typeof reference === "string") return typeText(components[reference.split("/").at(-1) ?? ""], components, indent)
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(" | ")
  if (constant !== undefined) return JSON.stringify(constant)
  const choices = anyOf ?? oneOf
  if (Array.isArray(choices)) return choices.map((choice) => typeText(choice, components, indent)).join(" | ")
  if (type === "array") return `[${typeText(items, components, indent)}]`
  if (isObject(properties)) {
    const required = Array.isArray(schema["required"]) ? schema["required"] : []
    const fields = Object.entries(properties).map(
      ([name, field]) =>
        `${further}${name}${required.includes(name) ? "" : "?"}: ${typeText(field, components, further)}`
    )
    return fields.length === 0 ? "{}" : `{\n${fields.join("\n")}\n${indent}}`
  }
  if (type === "object") return "{ … }"
  if (Array.isArray(allOf) && type === undefined) return typeText(allOf[0], components, indent)
  return typeof type === "string" ? type : "any"
}

const contents = (content: Response["content"], components: Json): string =>
  Object.entries(content ?? {})
    .map(([kind, { schema }]) =>
      kind.includes("json")
        ? `<pre>${escape(typeText(schema, components))}</pre>`
        : `<p class="kind"><code>${escape(kind)}</code></p>`
    )
    .join("")

const operationText = (method: string, path: string, operation: Operation, components: Json): string => {
  const {
    description = "",
    operationId = "",
    parameters = [],
    requestBody,
    responses = {},
    security,
    summary = ""
  } = operation
  const named = parameters.map(({ in: place, name }) => `<code>${escape(name)}</code> (${escape(place)})`).join(", ")
  const answers = Object.entries(responses)
    .map(
      ([status, { content, description: when = "" }]) =>
        `<li><b>${escape(status)}</b> ${prose(when)}${Number(status) < 300 ? contents(content, components) : ""}</li>`
    )
    .join("\n")
  return `<section id="${escape(operationId)}">
<h3><span>${method.toUpperCase()}</span> <code>${escape(path)}</code></h3>
<p><b>${prose(summary)}.</b> ${prose(description)}${security === undefined || security.length === 0 ? " <i>No token needed.</i>" : ""}</p>
${named === "" ? "" : `<p>Parameters: ${named}</p>`}
${requestBody?.content === undefined ? "" : `<h4>Body</h4>${contents(requestBody.content, components)}`}
<h4>Answers</h4>
<ul>${answers}</ul>
</section>`
}

/** The whole page. */
export const apiDocs = ({ components, info, paths, tags = [] }: ApiDescription): string => {
  const schemas: Json = components?.schemas ?? {}
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      isObject(operation) ? [{ method, path, operation: operation as Operation }] : []
    )
  )
  const groups = tags.map(({ description = "", name }) => {
    const mine = operations.filter(({ operation }) => operation.tags?.includes(name) === true)
    return `<h2>${escape(name)}</h2>\n<p>${prose(description)}</p>\n${mine
      .map(({ method, operation, path }) => operationText(method, path, operation, schemas))
      .join("\n")}`
  })
  const index = operations
    .map(
      ({ method, operation, path }) =>
        `<li><a href="#${escape(operation.operationId ?? "")}">${method.toUpperCase()} ${escape(path)}</a> ${prose(operation.summary ?? "")}</li>`
    )
    .join("\n")
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>API · Holdfast</title>
<style>
body { margin: 2rem auto 6rem; max-width: 52rem; padding: 0 1.25rem; font: 1rem/1.6 system-ui, sans-serif }
h1, h2, h3, h4 { line-height: 1.3 }
h2 { margin-top: 3rem }
section { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding-top: .5rem }
h3 span { font-size: .8em; letter-spacing: .04em }
h4 { margin: .75rem 0 .25rem }
pre { overflow-x: auto; padding: .75rem 1rem; background: color-mix(in srgb, currentColor 7%, transparent); border-radius: .375rem }
code, pre { font: .875em/1.5 ui-monospace, monospace }
ul { padding-left: 1.25rem }
li { margin: .25rem 0 }
</style>
</head>
<body>
<h1>${escape(info.title)} <small>${escape(info.version)}</small></h1>
<p>${prose(info.description ?? "")}</p>
<p><a href="/">This machine</a> · <a href="/openapi.json">openapi.json</a></p>
<ul>
${index}
</ul>
${groups.join("\n")}
</body>
</html>
`
}
