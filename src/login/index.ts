/** Signing in to a model provider, and the account that comes of it. */
export { keyAccountLayer, type KeyProvider } from "./KeyAccount.ts"
export { Login, type LoginControl } from "./LoginControl.ts"
export { loginRoutes } from "./LoginRoutes.ts"
export { LoginStore } from "./LoginStore.ts"
export { LoginTasks } from "./LoginTasks.ts"
export { Models } from "./Models.ts"
export { Provider } from "./Provider.ts"
export { LOCAL_CONFIG, ProviderSettings } from "./ProviderSettings.ts"
