// A passkey needs a script: without one, the page says what works instead.
"use strict";

const FRESH = 110_000; // milliseconds: the server's challenge is good for two minutes

for (const form of document.querySelectorAll("form[data-ferrotp-passkey]")) {
  const made = form.dataset.ferrotpPasskey;
  const parse = { create: "parseCreationOptionsFromJSON", get: "parseRequestOptionsFromJSON" }[made];
  if (!window.PublicKeyCredential?.[parse] || !navigator.credentials) continue;
  const button = form.querySelector("button");
  const trouble = form.querySelector("[data-ferrotp-trouble]");
  for (const part of form.querySelectorAll("[data-ferrotp-with]")) part.hidden = false;
  for (const part of form.querySelectorAll("[data-ferrotp-without]")) part.hidden = true;
  const opened = performance.now();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    trouble.hidden = true;
    if (performance.now() - opened > FRESH) return form.submit(); // comes back with a new challenge
    try {
      const options = PublicKeyCredential[parse](JSON.parse(form.dataset.ferrotpOptions));
      const credential = await navigator.credentials[made]({ publicKey: options });
      form.elements.credential.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch (error) {
      const words = { NotAllowedError: "cancelled", InvalidStateError: "taken", SecurityError: "site" };
      trouble.querySelector("p").textContent = trouble.dataset[words[error.name] ?? "other"];
      trouble.hidden = false;
      button.disabled = false;
    }
  });
}
