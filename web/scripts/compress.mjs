// Puts a gzip and a brotli file beside every asset that gains by it, removes what
// earlier builds left, and says how many octets of script each page needs.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;
const manifest = JSON.parse(readFileSync(join(dist, "manifest.json"), "utf8"));
const limit = 300_000; // script of one page as browsers get it: all that can use passkeys take brotli

const kept = new Set();
for (const chunk of Object.values(manifest)) {
  kept.add(chunk.file);
  for (const f of [...(chunk.css ?? []), ...(chunk.assets ?? [])]) kept.add(f);
}
const sizes = {};
for (const name of readdirSync(join(dist, "assets"))) {
  if (!kept.has(`assets/${name}`)) rmSync(join(dist, "assets", name));
}
for (const name of readdirSync(join(dist, "assets"))) {
  const file = `assets/${name}`;
  if (!/\.(js|css|svg|json)$/.test(name)) continue;
  const raw = readFileSync(join(dist, file));
  const gz = gzipSync(raw, { level: 9 });
  const br = brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length } });
  if (gz.length < raw.length) writeFileSync(join(dist, `${file}.gz`), gz);
  if (br.length < raw.length) writeFileSync(join(dist, `${file}.br`), br);
  sizes[file] = { raw: raw.length, gz: gz.length, br: br.length };
}

/** Everything that a chunk loads at once, itself included. */
function reach(key, seen = new Set()) {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const next of manifest[key]?.imports ?? []) reach(next, seen);
  return seen;
}

const entry = Object.keys(manifest).find((k) => manifest[k].isEntry);
const pages = Object.keys(manifest).filter((k) => manifest[k].isDynamicEntry && /\.tsx$/.test(manifest[k].src ?? ""));
/** The texts of an area in the language whose are larger; a page loads one. */
function texts(area) {
  const files = Object.keys(manifest).filter((k) => k.startsWith(`${area}i18n/`) && /\/[a-z]+\.json$/.test(k));
  return files.sort((a, b) => sizes[manifest[b].file].gz - sizes[manifest[a].file].gz).slice(0, 1);
}
/** What stands around a page: the frame that its area has. */
function around(key) {
  const frame = key.startsWith("src/console/")
    ? "src/console/shell.tsx"
    : key.startsWith("src/pages/portal/")
      ? "src/pages/portal/Portal.tsx"
      : "";
  return [entry, ...texts("src/"), ...(key.startsWith("src/console/") ? texts("src/console/") : []), ...(manifest[frame] ? [frame] : [])];
}
const rows = [];
let tooBig = false;
for (const key of pages) {
  const all = new Set([...around(key), key].flatMap((k) => [...reach(k)]));
  // Pages that tell of outcomes load their texts beside their own.
  for (const k of [...all]) for (const next of manifest[k]?.dynamicImports ?? []) if (/\/outcomes\.[a-z]+\.json$/.test(next)) all.add(next);
  let gz = 0;
  let br = 0;
  for (const k of all) {
    const s = sizes[manifest[k]?.file];
    if (!s || !manifest[k].file.endsWith(".js")) continue;
    gz += s.gz;
    br += s.br;
  }
  if (br > limit) tooBig = true;
  rows.push({ page: manifest[key].src, "gzip kB": +(gz / 1000).toFixed(1), "brotli kB": +(br / 1000).toFixed(1) });
}
rows.sort((a, b) => b["gzip kB"] - a["gzip kB"]);
console.table(rows);
const total = Object.entries(sizes).reduce((n, [, s]) => n + s.br, 0);
console.log(
  `${Object.keys(sizes).length} assets, ${(total / 1000).toFixed(0)} kB brotli; index.html ${statSync(join(dist, "index.html")).size} octets`,
);
rmSync(join(dist, "manifest.json"));
if (tooBig) {
  console.error(`a page needs more than ${limit / 1000} kB of compressed script`);
  process.exit(1);
}
