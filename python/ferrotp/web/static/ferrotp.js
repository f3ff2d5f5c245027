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

// How long until the next attempt, beside the sentence that says so.
for (const line of document.querySelectorAll("[data-ferrotp-wait]")) {
  const end = Date.now() + 1000 * line.dataset.ferrotpWait;
  const show = () => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    line.hidden = left === 0;
    line.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (left === 0) clearInterval(timer);
  };
  const timer = setInterval(show, 1000);
  show();
}

// A double click is one login: the second one would find its code used. Another button of the same form is no double
// click: "Continue" works at once after the recovery codes are saved as a file.
for (const form of document.querySelectorAll(".ferrotp form")) {
  let sent = 0;
  let by;
  form.addEventListener("submit", (event) => {
    if (event.submitter === by && Date.now() - sent < 2000) event.preventDefault();
    else [sent, by] = [Date.now(), event.submitter];
  });
}
