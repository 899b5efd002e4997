/** Conditions on what a client has already. */

/** Whether an `If-None-Match` names this tag. Compared weakly, for `W/` and lists come from proxies; `*` names all. */
export const namesTag = (header: string | undefined, etag: string): boolean =>
  header !== undefined && (header === etag || header.split(",").some((one) => isNamed(one.trim(), etag)))

const isNamed = (one: string, etag: string): boolean => one === "*" || withoutWeakness(one) === withoutWeakness(etag)

const withoutWeakness = (tag: string): string => tag.replace(/^W\//, "")
