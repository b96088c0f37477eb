import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

// The product's colour: a deep sea green. From step 6 on, white text on it has a
// contrast above 4.5 : 1 (WCAG 2.2, success criterion 1.4.3); steps 3 and 4 have
// it on the dark ground.
const gate: MantineColorsTuple = [
  "#ebf7f7",
  "#d5edee",
  "#abdadd",
  "#7ec7cb",
  "#54b3b8",
  "#2f979e",
  "#177880",
  "#0e666d",
  "#0a545a",
  "#064046",
];
const red: MantineColorsTuple = [
  "#fff0f0",
  "#ffdede",
  "#ffbdbd",
  "#ff9c9c",
  "#f97c7c",
  "#e65a5a",
  "#cc3a3a",
  "#b32727",
  "#951c1c",
  "#751414",
];
const amber: MantineColorsTuple = [
  "#fff7e6",
  "#fdeac4",
  "#fad88f",
  "#f5c35a",
  "#e8a92e",
  "#c98a14",
  "#9c6708",
  "#875704",
  "#6e4602",
  "#533401",
];
const green: MantineColorsTuple = [
  "#ebf9ee",
  "#d4f0da",
  "#a9e0b5",
  "#7bce8d",
  "#53bb6a",
  "#35a04d",
  "#22803a",
  "#196b2f",
  "#125724",
  "#0b4219",
];
const blue: MantineColorsTuple = [
  "#edf4ff",
  "#d9e7fd",
  "#b3cff9",
  "#8bb5f4",
  "#669dee",
  "#437fdc",
  "#2b65c4",
  "#2055aa",
  "#17448b",
  "#10336a",
];

// Greys of the dark theme, with a trace of the product's hue.
const dark: MantineColorsTuple = [
  "#d3dade",
  "#a9b3bc",
  "#87929c",
  "#5c6872",
  "#3c4750",
  "#2d363d",
  "#20272c",
  "#171c20",
  "#12171a",
  "#0d1113",
];

export const theme = createTheme({
  colors: { dark, gate, red, amber, yellow: amber, orange: amber, green, teal: green, blue },
  primaryColor: "gate",
  primaryShade: { light: 7, dark: 6 },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "Segoe UI Mono", "Roboto Mono", "Liberation Mono", monospace',
  headings: {
    fontWeight: "650",
    sizes: {
      h1: { fontSize: "1.625rem", lineHeight: "1.25" },
      h2: { fontSize: "1.1875rem", lineHeight: "1.35" },
      h3: { fontSize: "1rem", lineHeight: "1.4" },
    },
  },
  defaultRadius: "md",
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
  // By name, not by component: what is imported here would be loaded by every page.
  components: {
    // What stands on a page from the beginning is a note. Mantine would have it
    // read out at once, over everything else: that is for what has just happened,
    // which says so itself (role="alert" or "status").
    Alert: { defaultProps: { variant: "light", radius: "md", role: "note" } },
    Anchor: { defaultProps: { underline: "hover" } },
    Badge: { defaultProps: { variant: "light", tt: "none", fw: 600 } },
    Button: { defaultProps: { radius: "md" } },
    // Their <header> is the dialog's, not the page's: it must not be a landmark of its own.
    Modal: {
      defaultProps: {
        centered: true,
        radius: "lg",
        overlayProps: { backgroundOpacity: 0.45 },
        attributes: { header: { role: "presentation" } },
      },
    },
    Drawer: { defaultProps: { attributes: { header: { role: "presentation" } } } },
    PasswordInput: { defaultProps: { size: "md" } },
    Select: { defaultProps: { allowDeselect: false, checkIconPosition: "right" } },
    Textarea: { defaultProps: { autosize: true, minRows: 2 } },
    Tooltip: { defaultProps: { withArrow: true, openDelay: 250, events: { hover: true, focus: true, touch: true } } },
  },
});

// Mantine's own greys for secondary text, placeholders and errors miss the AA
// contrast; these do not.
export const variables: CSSVariablesResolver = () => ({
  variables: { "--sp-nav-width": "15.5rem", "--sp-header-height": "3.5rem" },
  light: {
    "--mantine-color-dimmed": "#515a64",
    "--mantine-color-placeholder": "#656d76",
    "--mantine-color-error": "var(--mantine-color-red-7)",
    "--mantine-color-anchor": "var(--mantine-color-gate-7)",
    "--mantine-color-text": "#1c2329",
    "--mantine-color-default-border": "#cfd6dc",
    "--sp-canvas": "#f5f7f8",
    "--sp-surface": "#ffffff",
    "--sp-line": "#dfe4e8",
    "--sp-field-line": "#87929c",
    "--sp-hover": "#eef3f4",
    "--sp-selected": "#e1f1f2",
    "--sp-ok": "#196b2f",
    "--sp-warn": "#875704",
    "--sp-bad": "#b32727",
    "--sp-info": "#2055aa",
  },
  dark: {
    "--mantine-color-dimmed": "#a9b3bc",
    "--mantine-color-placeholder": "#939da7",
    "--mantine-color-error": "var(--mantine-color-red-3)",
    "--mantine-color-anchor": "var(--mantine-color-gate-3)",
    "--mantine-color-red-light": "#3a2024",
    "--mantine-color-red-light-color": "#ffbdbd",
    "--mantine-color-amber-light": "#352b17",
    "--mantine-color-amber-light-color": "#fad88f",
    "--mantine-color-yellow-light": "#352b17",
    "--mantine-color-yellow-light-color": "#fad88f",
    "--mantine-color-green-light": "#1a3022",
    "--mantine-color-green-light-color": "#a9e0b5",
    "--mantine-color-blue-light": "#1a2a42",
    "--mantine-color-blue-light-color": "#b3cff9",
    "--mantine-color-gate-light": "#17343a",
    "--mantine-color-gate-light-color": "#abdadd",
    "--mantine-color-text": "#e4e9ed",
    "--mantine-color-body": "#171c20",
    "--mantine-color-default": "#20272c",
    "--mantine-color-default-border": "#3c4750",
    "--sp-canvas": "#12171a",
    "--sp-surface": "#1a2025",
    "--sp-line": "#2d363d",
    "--sp-field-line": "#74808a",
    "--combobox-chevron-color": "#87929c",
    "--sp-hover": "#222a30",
    "--sp-selected": "#17343a",
    "--sp-ok": "#7bce8d",
    "--sp-warn": "#f5c35a",
    "--sp-bad": "#ff9c9c",
    "--sp-info": "#8bb5f4",
  },
});
