// The key is in the address only until it is read, so that it is in no history and on no shared screen.
function takeKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given) {
    sessionStorage.setItem("querywise-review-key", given);
    history.replaceState(null, "", location.pathname);
  }
  return given ?? sessionStorage.getItem("querywise-review-key") ?? "";
}

// The calls to the service, each with the key of the page.
export const key = takeKey();

// Another address that differs behind the # alone does not load the page again by itself.
addEventListener("hashchange", () => location.reload());

export async function call(path, body) {
  const options = { headers: { authorization: `Bearer ${key}` } };
  if (body) {
    options.method = "POST";
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(`v1/review${path}`, options);
  } catch {
    throw new Error("The service does not answer. Check that `querywise review` is running.");
  }
  const said = await response.json().catch(() => ({}));
  if (response.ok) return said;
  if (response.status === 401 || response.status === 403) throw new Error("The key of this page is not that of the service. Open the address that `querywise review` printed last.");
  throw new Error(said.detail ?? `The service failed (${response.status}).`);
}
