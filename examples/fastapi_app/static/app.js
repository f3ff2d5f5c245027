// A page for the JSON API. No build step, no library, and nothing that a strict Content-Security-Policy refuses: text is
// put into the page as text.

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const texts = await (await fetch("/texts")).json();
const offers = await (await fetch("/offers")).json();

// What lives only here, and is gone when the page is: the pending login, a key that is being set up, new codes.
let pending = null;
let enrollment = null;
let codes = null;
let after = ""; // where a step that came between leads back to
let note = "";
let turn = 0; // of pages: how many were asked for

// Words

const t = (id, values = {}) => texts[id].replace(/\{(\w+)\}/g, (_, name) => values[name]);
const plural = (id, count) => t(`${id}.${count === 1 ? "one" : "other"}`, { count });

function span(kind, moment) {
  const seconds = Math.max((new Date(moment) - Date.now()) / 1000, 1);
  for (const [unit, size, limit] of [["seconds", 1, 60], ["minutes", 60, 60], ["hours", 3600, 48]]) {
    const count = Math.ceil(seconds / size);
    if (count < limit) return plural(`${kind}.${unit}`, count);
  }
  return plural(`${kind}.days`, Math.ceil(seconds / 86400));
}

function ago(moment) {
  const seconds = (Date.now() - new Date(moment)) / 1000;
  for (const [unit, size] of [["days", 86400], ["hours", 3600], ["minutes", 60]]) {
    if (seconds >= size) return plural(`ago.${unit}`, Math.floor(seconds / size));
  }
  return t("ago.now");
}

// Elements

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const p = (text, kind) => h("p", { class: kind }, text);
const link = (href, text, kind, label) => h("a", { href, class: kind, "aria-label": label }, text);
const button = (text, onclick, kind, label) => h("button", { type: "button", class: kind, onclick, "aria-label": label }, text);

function field({ id, label, hint, ...attributes }) {
  const about = hint ? `${id}-hint` : undefined;
  return h("div", { class: "ferrotp-field" },
    h("label", { for: id }, label),
    hint ? h("p", { class: "ferrotp-hint", id: about }, hint) : null,
    h("input", { class: "ferrotp-input", id, name: id, type: "text", "aria-describedby": about, ...attributes }));
}

const codeField = (hint, recovery = false) => field({
  id: "code", label: t(recovery ? "recover.label" : "challenge.label"), hint,
  class: `ferrotp-input ferrotp-code${recovery ? " ferrotp-code-long" : ""}`, spellcheck: "false", autocorrect: "off",
  ...(recovery ? { autocomplete: "off", autocapitalize: "characters" } : { inputmode: "numeric", autocomplete: "one-time-code" }),
});

// A form that asks the API. What is wrong is announced, tied to its first field, and what was typed there is not kept.
function form(submit, action, ...children) {
  const place = h("div");
  const send = h("button", { type: "submit", class: "ferrotp-button ferrotp-wide" }, submit);
  const element = h("form", { novalidate: true }, place, children, send);
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    const values = Object.fromEntries([...new FormData(element)]);
    const message = await action(values);
    send.disabled = false;
    if (!message || !element.isConnected) return;
    place.replaceChildren(h("div", { class: "ferrotp-message ferrotp-bad", id: "error", role: "alert" }, p(message)));
    const first = element.querySelector("#code, #password, input");
    if (!first) return;
    first.setAttribute("aria-invalid", "true");
    first.setAttribute("aria-describedby", ["error", first.getAttribute("aria-describedby")].filter(Boolean).join(" "));
    if (first.type !== "checkbox") first.value = "";
    first.focus();
  });
  return element;
}

function show(heading, ...children) {
  const said = note ? h("div", { class: "ferrotp-message", role: "status" }, p(note)) : null;
  note = "";
  document.title = `${heading} · Ferrotp example`;
  main.replaceChildren(...[h("h1", { tabindex: "-1" }, heading), said, ...children].flat().filter(Boolean));
  (main.querySelector("#code, #email") ?? main.querySelector("h1")).focus();
}

function go(place) {
  if (location.hash === `#${place}`) render();
  else location.hash = place;
}

// The API

// What the API answers. A page that was left meanwhile hears nothing more: it would show itself over the next one.
async function ask(method, path, body) {
  const mine = turn;
  const answer = await reply(method, path, body);
  return mine === turn ? answer : new Promise(() => {});
}

async function reply(method, path, body) {
  try {
    const answer = await fetch(path, {
      method,
      headers: body === undefined && method !== "POST" ? {} : { "Content-Type": "application/json" },
      body: method === "POST" ? JSON.stringify(body ?? {}) : undefined,
    });
    const text = await answer.text();
    return { ok: answer.ok, status: answer.status, ...(text ? JSON.parse(text) : {}) , code: answer.status };
  } catch {
    return { ok: false, code: 0, detail: t("error.unavailable") };
  }
}

// Where the operation is that `next` names.
const PLACES = { verify: "challenge", recover: "recover", enroll: "set-up", begin_passkey: "add-passkey", login: "login" };

// Leads to what must come first, if that is what is wrong; else says what it is.
function told(answer) {
  const kind = (answer.type ?? "").replace("urn:ferrotp:problem:", "");
  if (["login-required", "pending-login-expired", "factor-disabled", "not-enrolled"].includes(kind)) {
    pending = null;
    if (kind !== "login-required") note = answer.detail;
    go("login");
    return "";
  }
  if (["second-factor-required", "fresh-authentication-required"].includes(kind)) {
    after = location.hash.slice(1);
    if (answer.next === "login") note = answer.detail;
    go(PLACES[answer.next]);
    return "";
  }
  if (answer.retry_at && answer.code === 429) return t("error.wait", { when: span("in", answer.retry_at) });
  return answer.detail ?? t("error.unavailable");
}

const withPending = (body) => (pending ? { ...body, pending_token: pending } : body);

function entered(place) {
  pending = null;
  const where = after || place;
  after = "";
  go(where);
}

function follow(answer) {
  if (answer.status === "done") return entered("inside");
  pending = answer.pending_token;
  go(PLACES[answer.next]);
}

// Passkeys: what a browser makes of the options, as JSON for the API. A browser has one request at a time.

const FRESH = 110_000; // milliseconds: the server's challenge is good for two minutes
let offered = null; // ends what the login form's field offers

async function credential(made, options, more = {}) {
  if (!more.signal) offered?.abort();
  const parse = { create: "parseCreationOptionsFromJSON", get: "parseRequestOptionsFromJSON" }[made];
  if (!window.PublicKeyCredential?.[parse]) throw new DOMException("", "NotSupportedError");
  return (await navigator.credentials[made]({ publicKey: PublicKeyCredential[parse](options), ...more })).toJSON();
}

function trouble(error) {
  const words = { NotAllowedError: "cancelled", InvalidStateError: "taken", SecurityError: "site" };
  return t(`passkey.${words[error.name] ?? "other"}`);
}

async function signIn(more) {
  const asked = await ask("POST", "/mfa/sign-in/challenge", {});
  if (!asked.ok) return told(asked);
  const made = await credential("get", asked.options, more);
  const answer = await ask("POST", "/mfa/sign-in", { credential: made, sign_in_token: asked.sign_in_token });
  if (!answer.ok) return told(answer);
  return follow(answer);
}

// In the list of what the browser knows for the field of the user name, for as long as the page is open.
async function offerInField() {
  if (!(await window.PublicKeyCredential?.isConditionalMediationAvailable?.())) return;
  while (location.hash === "#login") {
    if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
    const mine = (offered = new AbortController());
    let isLate = false;
    const late = setTimeout(() => { isLate = true; mine.abort(); }, FRESH);
    try {
      const message = await signIn({ mediation: "conditional", signal: mine.signal });
      if (message) { note = message; render(); }
      return;
    } catch {
      if (!isLate) return;
    } finally {
      clearTimeout(late);
    }
  }
}

// Pages

const views = {
  async login() {
    enrollment = codes = null;
    show("Log in",
      form("Log in", async (values) => {
        const answer = await ask("POST", "/api/login", values);
        if (!answer.ok) return told(answer);
        follow(answer);
      },
      field({ id: "email", label: "E-mail address", type: "email", autocomplete: "username webauthn" }),
      field({ id: "password", label: "Password", type: "password", autocomplete: "current-password" })),
      offers.sign_in ? form(t("sign-in.submit"), () => signIn().catch((error) => { offerInField(); return trouble(error); })) : null,
      h("div", { class: "ferrotp-ways" }, p(link("#register", "Register"))));
    if (offers.sign_in) offerInField();
  },

  async register() {
    show("Register",
      form("Register", async (values) => {
        const answer = await ask("POST", "/api/register", values);
        if (!answer.ok) return told(answer);
        note = "Welcome. Now log in.";
        go("login");
      },
      field({ id: "email", label: "E-mail address", type: "email", autocomplete: "username" }),
      field({ id: "password", label: "Password", type: "password", autocomplete: "new-password", hint: "At least 8 characters." })));
  },

  async inside() {
    const me = await ask("GET", "/api/me");
    if (!me.ok) return told(me);
    show("You are inside", p(`You are ${me.email}.`),
      p(link("#vault", "The vault, for which you need a second factor")), p(link("#password", "Change your password")));
  },

  async vault() {
    const page = await ask("GET", "/api/vault");
    if (!page.ok) return told(page);
    show("Vault", p(page.text));
  },

  async password() {
    if (!(await fresh())) return;
    show("Change password",
      form("Change password", async (values) => {
        const answer = await ask("POST", "/api/password", values);
        if (!answer.ok) return told(answer);
        note = "The password is changed. Log in with it.";
        go("login");
      },
      field({ id: "password", label: "New password", type: "password", autocomplete: "new-password", hint: "At least 8 characters." })));
  },

  challenge: () => challenge(false),
  recover: () => challenge(true),

  async "set-up"() {
    if (!pending && !(await fresh())) return;
    const problem = t("setup.expired");
    if (!enrollment) {
      return show(t("setup.title"), p(t("setup.why")), p(t("setup.need")),
        form(t("setup.start"), async () => {
          const answer = await ask("POST", "/mfa/enroll", withPending({}));
          if (!answer.ok) return told(answer);
          enrollment = answer;
          render();
        }),
        h("div", { class: "ferrotp-ways" }, p(link("#settings", t("challenge.back")))));
    }
    const svg = new DOMParser().parseFromString(enrollment.qr_svg, "image/svg+xml").documentElement;
    const key = h("code", { class: "ferrotp-key", id: "key", role: "group", "aria-labelledby": "key-title" }, enrollment.secret.match(/.{1,4}/g).join(" "));
    show(t("setup.title"),
      h("h2", {}, `1. ${t("setup.scan")}`), h("div", { class: "ferrotp-qr" }, document.importNode(svg, true)),
      p(link(enrollment.uri, t("setup.open"))),
      h("details", { class: "ferrotp-more" }, h("summary", { id: "key-title" }, t("setup.type")), key, p(t("setup.type.hint"), "ferrotp-hint")),
      h("h2", {}, `2. ${t("setup.confirm")}`),
      form(t("setup.submit"), async (values) => {
        const answer = await ask("POST", "/mfa/confirm", withPending({ ...values, factor_id: enrollment.factor_id }));
        if (!answer.ok && answer.type?.endsWith("enrollment-expired")) {
          enrollment = null;
          note = problem;
          render();
          return "";
        }
        if (!answer.ok) return told(answer);
        enrollment = null;
        pending = null;
        note = t("setup.done");
        if (!answer.recovery_codes.length) return go("settings");
        codes = answer.recovery_codes;
        go("codes");
      }, codeField(t("setup.expires", { duration: span("for", enrollment.expires_at) })),
        field({ id: "name", label: t("setup.name"), hint: t("setup.name.hint"), maxlength: 60, autocomplete: "off" })),
      h("div", { class: "ferrotp-ways" }, p(link("#settings", t("challenge.back"))),
        button(t("setup.restart"), () => { enrollment = null; render(); }, "ferrotp-link")));
  },

  async "add-passkey"() {
    if (!pending && !(await fresh())) return;
    const asked = await ask("POST", "/mfa/passkeys/options", withPending({}));
    if (!asked.ok) { note = told(asked); return note ? go("settings") : undefined; }
    show(t("passkey.title"), p(t("passkey.why")),
      form(t("passkey.create"), async (values) => {
        let made;
        try {
          made = await credential("create", asked.options);
        } catch (error) {
          return trouble(error);
        }
        const answer = await ask("POST", "/mfa/passkeys", withPending({ credential: made, name: values.name }));
        if (!answer.ok) return told(answer);
        pending = null;
        note = t("passkey.done");
        if (!answer.recovery_codes.length) return go("settings");
        codes = answer.recovery_codes;
        go("codes");
      }, field({ id: "name", label: t("passkey.name"), hint: t("setup.name.hint"), maxlength: 60, autocomplete: "off" })),
      h("div", { class: "ferrotp-ways" }, p(link("#set-up", t("setup.title"))), p(link("#settings", t("challenge.back")))));
  },

  async codes() {
    if (!codes) return go("settings");
    const list = codes;
    const kept = note;
    note = "";
    const file = new Blob([[t("codes.file.hint"), "", ...list, ""].join("\r\n")], { type: "text/plain" });
    const download = h("a", { class: "ferrotp-button ferrotp-quiet", href: URL.createObjectURL(file), download: "recovery-codes.txt" }, t("codes.download"));
    const copy = button(t("codes.copy"), async () => { await navigator.clipboard.writeText(list.join("\n")); copy.textContent = t("codes.copied"); }, "ferrotp-button ferrotp-quiet");
    show(t("codes.title"), p(t("codes.why")),
      h("ol", { class: "ferrotp-codes", "aria-label": t("codes.list") }, list.map((code) => h("li", {}, code))),
      h("div", { class: "ferrotp-row" }, navigator.clipboard ? copy : null, download, button(t("codes.print"), () => print(), "ferrotp-button ferrotp-quiet")),
      form(t("codes.continue"), async (values) => {
        if (!values.saved) return t("codes.unsaved");
        codes = null;
        URL.revokeObjectURL(download.href);
        note = kept;
        entered("settings");
      }, h("div", { class: "ferrotp-check" }, h("input", { type: "checkbox", id: "saved", name: "saved" }), h("label", { for: "saved" }, t("codes.saved")))));
  },

  async settings() {
    const status = await ask("GET", "/mfa/status");
    if (!status.ok) return told(status);
    const left = status.recovery_codes_left;
    const quiet = "ferrotp-button ferrotp-quiet";
    const apps = status.factors.filter((factor) => factor.kind !== "passkey");
    const passkeys = status.factors.filter((factor) => factor.kind === "passkey");
    enrollment = null;
    show(t("settings.title"), p(t(status.enrolled ? "settings.on" : "settings.off")),
      h("h2", { id: "factors" }, t("settings.factors")),
      factorList("factors", apps, status) ?? p(t("setup.why")),
      p(link("#set-up", t("settings.add"), "ferrotp-button")),
      offers.passkeys ? [h("h2", { id: "passkeys" }, t("settings.passkeys")),
        factorList("passkeys", passkeys, status) ?? p(t("settings.passkeys.none")),
        p(link("#add-passkey", t("settings.passkeys.add"), "ferrotp-button"))] : [],
      status.enrolled ? [h("h2", {}, t("settings.codes")),
        p(left ? plural("settings.codes.left", left) : t("settings.codes.left.none"), left > 3 ? undefined : "ferrotp-warning"),
        p(link("#new-codes", t("settings.codes.new"), quiet))] : [],
      status.trusted_device_days && status.enrolled ? [h("h2", { id: "devices" }, t("settings.devices")),
        p(`${t("settings.devices.why")} ${status.trusted_devices.length ? "" : t("settings.devices.none")}`),
        status.trusted_devices.length ? h("ul", { class: "ferrotp-list", "aria-labelledby": "devices" }, status.trusted_devices.map((device) =>
          h("li", {}, h("div", { class: "ferrotp-about" }, p(device.name, "ferrotp-name"), p(t("settings.used", { when: ago(device.last_used_at) }), "ferrotp-soft"),
            p(t("settings.devices.until", { date: device.expires_at.slice(0, 10) }), "ferrotp-soft")),
            button(t("settings.devices.forget"), async () => {
              const answer = await ask("DELETE", `/mfa/devices/${device.device_id}`);
              note = answer.ok ? t("settings.devices.forgotten") : told(answer);
              render();
            }, quiet, t("settings.devices.forget.which", { name: device.name }))))) : null] : []);
  },

  async "new-codes"() {
    if (!(await fresh())) return;
    show(t("codes.new.title"), p(t("codes.new.why")),
      form(t("codes.new.submit"), async () => {
        const answer = await ask("POST", "/mfa/recovery-codes", {});
        if (!answer.ok) return told(answer);
        codes = answer.recovery_codes;
        go("codes");
      }), h("div", { class: "ferrotp-ways" }, p(link("#settings", t("challenge.back")))));
  },

  async remove(factor_id) {
    const status = await fresh();
    if (!status) return;
    const factor = status.factors.find((found) => found.factor_id === factor_id);
    if (!factor) { note = t("settings.gone"); return go("settings"); }
    const name = nameOf(factor);
    show(t("remove.title", { name }), p(t(factor.kind === "passkey" ? "remove.why.passkey" : "remove.why")), status.factors.length === 1 ? p(t("remove.last")) : null,
      form(t("remove.submit"), async () => {
        const answer = await ask("DELETE", `/mfa/factors/${factor_id}`);
        if (!answer.ok) return told(answer);
        note = t("settings.removed", { name });
        go("settings");
      }), h("div", { class: "ferrotp-ways" }, p(link("#settings", t("remove.keep")))));
  },
};

const nameOf = (factor) => factor.name || t(factor.kind === "passkey" ? "settings.unnamed.passkey" : "settings.unnamed");

function factorList(id, factors, status) {
  if (!factors.length) return null;
  const synced = Object.fromEntries(status.passkeys.map((passkey) => [passkey.factor_id, passkey.synced]));
  return h("ul", { class: "ferrotp-list", "aria-labelledby": id }, factors.map((factor) => {
    const name = nameOf(factor);
    const isPasskey = factor.kind === "passkey";
    return h("li", {}, h("div", { class: "ferrotp-about" }, p(name, "ferrotp-name"),
      isPasskey ? p(t(synced[factor.factor_id] ? "settings.passkeys.synced" : "settings.passkeys.bound"), "ferrotp-soft") : null,
      p(t("settings.added", { when: ago(factor.created_at) }), "ferrotp-soft"),
      p(factor.last_used_at ? t("settings.used", { when: ago(factor.last_used_at) }) : t("settings.never"), "ferrotp-soft"),
      factor.state === "disabled" ? p(t(isPasskey ? "settings.disabled.passkey" : "settings.disabled"), "ferrotp-warning") : null),
      link(`#remove/${factor.factor_id}`, t("settings.remove"), "ferrotp-button ferrotp-quiet", t("settings.remove.which", { name })));
  }));
}

// The status, if a change would be taken now; else leads to the code that comes first.
async function fresh() {
  const status = await ask("GET", "/mfa/status");
  if (!status.ok) { told(status); return null; }
  if (status.fresh) return status;
  after = location.hash.slice(1);
  if (!status.enrolled) note = t("challenge.why");
  go(!status.enrolled ? "login" : status.disabled ? "recover" : "challenge");
  return null;
}

// At login with a pending token, or again before a change.
async function challenge(recovery) {
  const again = !pending;
  if (again && !after) return go("inside");
  const status = again ? await ask("GET", "/mfa/status") : null;
  const asked = offers.passkeys && !recovery ? await ask("POST", "/mfa/passkey/challenge", withPending({})) : {};
  const byPasskey = asked.ok ? [
    p(t("challenge.passkey.why")),
    form(t("challenge.passkey"), async () => {
      let made;
      try {
        made = await credential("get", asked.options);
      } catch (error) {
        return trouble(error);
      }
      const answer = await ask("POST", "/mfa/passkey/verify", withPending({ credential: made }));
      if (!answer.ok) return told(answer);
      entered("inside");
    }),
    h("h2", {}, t("challenge.or"))] : [];
  const trust = !again || recovery ? h("div", { class: "ferrotp-check" },
    h("input", { type: "checkbox", id: "trust", name: "trust" }), h("label", { for: "trust" }, plural("challenge.trust", 30))) : null;
  show(recovery ? t("recover.title") : again && status.ok ? t("challenge.again") : t("challenge.title"),
    again && status.ok ? p(t("challenge.why"), "ferrotp-soft") : null,
    byPasskey,
    form(t("challenge.submit"), async (values) => {
      if (!values.code.trim()) return t("error.empty");
      const body = withPending({ code: values.code });
      const answer = await ask("POST", recovery ? "/mfa/recover" : "/mfa/verify", recovery ? body : { ...body, trust_device: "trust" in values });
      if (!answer.ok) return told(answer);
      if (recovery && !again) { note = t("recover.used"); after = ""; return entered("settings"); }
      entered("inside");
    }, codeField(t(recovery ? "recover.hint" : "challenge.hint", { digits: 6, period: 30 }), recovery), recovery ? null : trust),
    h("div", { class: "ferrotp-ways" },
      p(recovery ? link("#challenge", t("recover.challenge")) : link("#recover", t("challenge.recover"))),
      again ? p(link("#settings", t("challenge.back"))) : button(t("challenge.cancel"), logOut, "ferrotp-link")));
}

async function logOut() {
  pending = enrollment = codes = null;
  after = note = "";
  await ask("POST", "/api/logout", {});
  go("login");
}

async function render() {
  turn += 1;
  offered?.abort();
  const [name, argument] = (location.hash.slice(1) || "inside").split("/");
  const out = ["login", "register"].includes(name) || (pending && name !== "codes");
  nav.replaceChildren(nav.firstElementChild, ...(out ? [link("#login", "Log in")]
    : [link("#settings", t("settings.title")), button("Log out", logOut)]));
  await (Object.hasOwn(views, name) ? views[name] : views.inside)(argument);
}

addEventListener("hashchange", render);
await render();
