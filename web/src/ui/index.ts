// The design system. Pages use these and Mantine's components; colours, sizes
// and type come from theme.ts alone.
export {
  CopyButton,
  EmptyState,
  Facts,
  Loading,
  ProblemNote,
  Reference,
  Section,
  Status,
  sentence,
  type Tone,
  useFactorName,
  Verdict,
} from "./basics";
export { type Confirmation, ConfirmHost, confirm } from "./confirm";
export { type Column, DataTable, type Sort } from "./DataTable";
export { FilterBar, type FilterField, type Filters, fromLocal, toLocal } from "./FilterBar";
export { type Found, LookUp, readReference } from "./LookUp";
export { makePasskey, PasskeyError, type PasskeyTrouble, showPasskey } from "./passkey";
export { PasskeyNote, Said, said } from "./Said";
export { Brand, CentrePage, Frame, type NavGroup, type NavItem, Page, Preferences } from "./Shell";
export { Steps } from "./Steps";
export { StepUpHost } from "./StepUp";
export { Qr, RecoveryCodes, SecretOnce, save } from "./secrets";
export { Time, useNow } from "./Time";
export { Timeline } from "./Timeline";
export { duration, full, relative, short, utc } from "./time";
export { toast } from "./toast";
