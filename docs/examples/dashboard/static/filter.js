// Show the results while the user types or selects. Without this script, the form has a button.
const form = document.querySelector("form.filter");
let latest = 0;
let timer;

async function show(url) {
  const number = ++latest;
  try {
    const response = await fetch(url);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const results = page.querySelector("#results");
    if (number !== latest) return; // the user has typed on
    if (!response.ok || !results) {
      location.assign(url); // the login, or a page that explains the error
      return;
    }
    document.querySelector("#results").replaceWith(results);
    history.replaceState(null, "", url);
  } catch {
    if (number === latest) location.assign(url);
  }
}

function address() {
  const values = [...new FormData(form)].filter(([, value]) => value);
  return values.length ? `/stacks?${new URLSearchParams(values)}` : "/stacks";
}

// Whether the form differs from the page: the user was faster than this script, or came back.
function isChanged() {
  const selected = [...form.environment.options].find((option) => option.defaultSelected);
  return form.search.value !== form.search.defaultValue || form.environment.value !== (selected?.value ?? "");
}

form.addEventListener("input", (event) => {
  clearTimeout(timer);
  timer = setTimeout(() => show(address()), event.target.type === "search" ? 250 : 0);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(timer);
  show(address());
});
if (isChanged()) show(address());
