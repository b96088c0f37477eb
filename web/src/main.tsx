import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import "./ui/ui.css";
import { setNonce } from "get-nonce";
import { createRoot } from "react-dom/client";
import { App, nonce } from "./App";
import { startLanguage } from "./i18n";

setNonce(nonce()); // for react-remove-scroll, which Mantine's dialogs use
await startLanguage();
const root = document.getElementById("root");
if (!root) throw new Error("the page has no element #root");
createRoot(root).render(<App />);
