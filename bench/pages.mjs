// Looks at report.html, audit.html and scarcity.html in headless Chromium, as a phone and as a desk has them, in light and in dark.
//
//   npm install --no-save puppeteer-core axe-core
//   CHROMIUM=/usr/bin/chromium node bench/pages.mjs runs/digits/report.html runs/audit-mine/audit.html
//
// Prints a line each: how wide the page is (no wider than the screen, or it scrolls sideways), what it asked the network
// for (nothing), and what axe finds against accessibility; leaves a screenshot each in bench/out. Exit code 1 if anything
// is wrong.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";
import puppeteer from "puppeteer-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
mkdirSync("bench/out", { recursive: true });
let wrong = false;
for (const file of process.argv.slice(2)) {
  for (const width of [360, 1200]) {
    for (const scheme of ["light", "dark"]) {
      const page = await browser.newPage();
      const asked = [];
      page.on("request", (request) => /^(file|data):/.test(request.url()) || asked.push(request.url()));
      await page.setViewport({ width, height: 800 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await page.goto(`file://${resolve(file)}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      await page.screenshot({ path: `bench/out/${basename(file, ".html")}-${width}-${scheme}.png`, fullPage: true });
      await page.evaluate(axe);
      const found = (await page.evaluate(() => globalThis.axe.run())).violations.map(({ id, nodes }) => `${id} ${nodes.length}`);
      console.log(file, scheme, `${wide} of ${width} wide, ${asked.length} requests, axe: ${found.join(", ") || "nothing"}`);
      wrong ||= wide > width || asked.length > 0 || found.length > 0;
      await page.close();
    }
  }
}
await browser.close();
process.exit(wrong ? 1 : 0);
