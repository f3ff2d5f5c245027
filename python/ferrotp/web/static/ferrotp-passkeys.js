// A passkey needs a script: without one, the page says what works instead.
"use strict";

const FRESH = 110_000; // milliseconds: the server's challenge is good for two minutes

for (const form of document.querySelectorAll("form[data-ferrotp-passkey]")) {
  const made = form.dataset.ferrotpPasskey;
  const parse = { create: "parseCreationOptionsFromJSON", get: "parseRequestOptionsFromJSON" }[made];
  if (!window.PublicKeyCredential?.[parse] || !navigator.credentials) continue;
  const renew = form.dataset.ferrotpRenew; // of the login page alone, which may be open for long
  const button = form.querySelector("button");
  const trouble = form.querySelector("[data-ferrotp-trouble]");
  for (const part of form.querySelectorAll("[data-ferrotp-with]")) part.hidden = false;
  for (const part of form.querySelectorAll("[data-ferrotp-without]")) part.hidden = true;
  let opened = performance.now();
  let offered; // ends what the login form's field offers: a browser has one request at a time

  const left = () => FRESH - (performance.now() - opened);

  async function isFresh() {
    if (left() > 0) return true;
    if (!renew) return false;
    try {
      const answer = await fetch(renew, { headers: { Accept: "application/json" } });
      form.dataset.ferrotpOptions = JSON.stringify((await answer.json()).options);
      opened = performance.now();
      return true;
    } catch {
      return false; // the site's policy lets no script ask
    }
  }

  async function use(more) {
    const publicKey = PublicKeyCredential[parse](JSON.parse(form.dataset.ferrotpOptions));
    const credential = await navigator.credentials[made]({ publicKey, ...more });
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  }

  // In the list of what the browser knows for the login form's field: no click on our button.
  async function offer() {
    if (!renew || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
    for (const field of document.querySelectorAll('input[autocomplete="username"]')) {
      field.setAttribute("autocomplete", "username webauthn");
    }
    while (!button.disabled) {
      if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
      if (!(await isFresh())) return;
      if (button.disabled) return;
      offered = new AbortController();
      const late = setTimeout(() => offered.abort(), left());
      try {
        return await use({ mediation: "conditional", signal: offered.signal });
      } catch (error) {
        if (error.name !== "AbortError") return;
      } finally {
        clearTimeout(late);
      }
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    trouble.hidden = true;
    offered?.abort();
    if (!(await isFresh())) return form.submit(); // comes back with a new challenge
    try {
      await use({});
    } catch (error) {
      const words = { NotAllowedError: "cancelled", InvalidStateError: "taken", SecurityError: "site" };
      trouble.querySelector("p").textContent = trouble.dataset[words[error.name] ?? "other"];
      trouble.hidden = false;
      button.disabled = false;
      offer();
    }
  });
  offer();
}
