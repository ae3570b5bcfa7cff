// Calls of the service. The API key, where one is asked for, is kept for this tab alone.

const KEY = "querywise.key";
const NO_ANSWER = { title: "The service did not answer", detail: "Check that it is running and that this machine is online." };

function remembered() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage may be forbidden
  }
}

let key = remembered();

export const hasKey = () => Boolean(key);

export function useKey(text) {
  key = text;
  try {
    sessionStorage.setItem(KEY, text);
  } catch {
    // The key then lasts as long as the page.
  }
}

// How long a call took on the wire, without its wait for others in this browser; null where the browser does not tell.
export function spent(address) {
  const [entry] = performance.getEntriesByName(new URL(address, document.baseURI).href).slice(-1);
  const took = entry ? entry.responseEnd - entry.requestStart : 0;
  performance.clearResourceTimings();
  return took > 0 ? took : null;
}

// Returns { ok, said } or { ok: false, problem: { status, title, detail, wait } }; throws only when `signal` aborts.
export async function call(address, { body, signal } = {}) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  const method = body === undefined ? "GET" : "POST";
  let response, said;
  try {
    response = await fetch(address, { method, headers, body: body && JSON.stringify(body), signal });
    said = await response.json().catch(() => null);
  } catch (error) {
    if (signal?.aborted) throw error;
    return { ok: false, problem: { status: 0, ...NO_ANSWER, wait: null } };
  }
  if (signal?.aborted) throw signal.reason;
  if (response.ok && said !== null) return { ok: true, said };
  return { ok: false, problem: problemOf(response, said) };
}

function problemOf(response, said) {
  const told = typeof said?.detail === "string" ? said.detail : `It answered with status ${response.status}.`;
  const seconds = Number(response.headers.get("retry-after"));
  return {
    status: response.status,
    title: typeof said?.title === "string" ? said.title : "The service refused",
    detail: said?.field ? `${told} (field: ${said.field})` : told,
    wait: seconds > 0 ? Math.min(Math.ceil(seconds), 600) : null,
  };
}
