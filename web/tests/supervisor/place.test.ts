import assert from "node:assert/strict";
import { test } from "node:test";
import { drillPlace, listQuery, readPlace, sameSearch, searchOf, withFilter, withSearch, writePlace } from "../../src/supervisor/place.ts";

const CONV = "01J00000000000000000000000";

test("the address holds the whole place and gives it back", () => {
  const place = readPlace(`?tab=live&conv=${CONV}&q=broken+kettle&band=high&from=2026-05-01&sort=uncertain`);
  assert.deepEqual(place, { tab: "live", report: null, days: 30, conv: CONV, at: null, sort: "uncertain", filters: { q: "broken kettle", band: "high", from: "2026-05-01" } });
  assert.deepEqual(readPlace(writePlace(place)), place);
});

test("what does not belong in an address is passed over", () => {
  const place = readPlace(`?tab=admin&conv=../../etc&sort=;drop&from=yesterday&q=${"x".repeat(500)}&unknown=1`);
  assert.deepEqual(place, { tab: "transcripts", report: null, days: 30, conv: null, at: null, sort: "recent", filters: {} });
  assert.equal(writePlace(place), "");
});

test("a range of days includes its last day, in the reader's own time", () => {
  const params = new URLSearchParams(listQuery({ sort: "recent", filters: { from: "2026-05-01", to: "2026-05-01", q: "a&b" } }));
  assert.equal(Number(params.get("since")), new Date(2026, 4, 1).getTime());
  assert.equal(Number(params.get("until")) - Number(params.get("since")), 86_400_000);
  assert.equal(params.get("q"), "a&b");
  assert.equal(params.get("sort"), null);
});

test("filters are set and taken away", () => {
  const place = withFilter(readPlace(""), "band", "high");
  assert.equal(place.filters.band, "high");
  assert.deepEqual(withFilter(place, "band", null).filters, {});
});

test("a line of a report opens to the transcripts that it counts", () => {
  const place = drillPlace(readPlace("?tab=reports&report=volume&days=7&band=high"), {
    escalated: true, reason: "quality", since: new Date(2026, 4, 1).getTime(), until: new Date(2026, 4, 3).getTime(), unknown: "x",
  });
  assert.equal(place.tab, "transcripts");
  assert.deepEqual(place.filters, { escalated: "true", reason: "quality", from: "2026-05-01", to: "2026-05-02" });
});

test("a message of a transcript has an address", () => {
  const place = readPlace(`?conv=${CONV}&at=7`);
  assert.equal(place.at, 7);
  assert.equal(readPlace(writePlace(place)).at, 7);
  for (const at of ["0", "-1", "x", "1.5"]) assert.equal(readPlace(`?at=${at}`).at, null);
});

test("a saved view gives its search back, and only what belongs in one", () => {
  const place = readPlace(`?q=退货&band=high&sort=uncertain&conv=${CONV}`);
  const search = searchOf(place);
  assert.deepEqual(search, { q: "退货", band: "high", sort: "uncertain" });
  const opened = withSearch(readPlace("?tab=live&status=open"), { ...search, contact: "../x", tab: "audit" });
  assert.deepEqual(opened, { ...readPlace(""), sort: "uncertain", filters: { q: "退货", band: "high" } });
  assert.ok(sameSearch(search, place));
  assert.ok(!sameSearch(search, withFilter(place, "band", null)));
  assert.ok(!sameSearch({}, readPlace("")));
});
