/** The central server: identities, documents, fleet, and their administration. */
export { Admin, type ConfigInfo, type Fleet, type SaveOptions } from "./Admin.ts"
export { adminLink, NoAdminLink } from "./AdminToken.ts"
export { type CertificateFiles, CertificateUnusable } from "./Certificate.ts"
export { backUp, type Holdings, prepareRestore, type Restoration, type Restored } from "./Backup.ts"
export { ConfigStore, etagOf, type SavedBy } from "./ConfigStore.ts"
export { ADMIN_TOKEN, Database } from "./Database.ts"
export { DatabaseError } from "./DatabaseError.ts"
export { Gateways } from "./Gateways.ts"
export {
  DEFAULT_IDENTITY_POLICY,
  Identities,
  type IdentityPolicy,
  type KnownGateway,
  SigningKeyUnusable
} from "./Identities.ts"
export { type Batch, IngestLedger, type SentRow } from "./IngestLedger.ts"
export { ingest } from "./IngestRoutes.ts"
export { Polls } from "./Polls.ts"
export { AdminRefused, BackupRefused, ConfigRefused, CredentialRefused, RevisionChanged } from "./Refused.ts"
export { GatewayRoutes } from "./Routes.ts"
export { type Objection, reviewDocument, sameCentral } from "./SavePipeline.ts"
export { type Listening, serve, type ServeOptions } from "./Server.ts"
export { Settings } from "./Settings.ts"
export { storesLayer } from "./Stores.ts"
export { Tokens } from "./Tokens.ts"
