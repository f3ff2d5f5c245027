// Comfort only: every page works without it. Buttons that need it are hidden until it is here.
"use strict";

for (const button of document.querySelectorAll("[data-ferrotp-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.ferrotpCopy);
    const lines = source.children.length ? [...source.children].map((one) => one.textContent.trim()) : [source.textContent.trim()];
    await navigator.clipboard.writeText(lines.join("\n"));
    button.textContent = button.dataset.ferrotpDone;
  });
}

for (const button of document.querySelectorAll("[data-ferrotp-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
